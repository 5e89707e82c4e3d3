"""What a prep will write, decided before anything is: which image goes where, in which order.

Every choice is a function of the seed and the image's name, so nothing depends on time, workers or
interruptions, a smaller limit takes a part of a larger one, and the dataset has an identity.
"""

import json
import zlib
from collections import defaultdict
from dataclasses import asdict, dataclass
from hashlib import blake2b

from alexnet.data.format import FORMAT_VERSION, SPLITS, ClassInfo, Stamp, classes_json, shard_name
from alexnet.errors import Failure
from data_prep.options import PrepOptions
from data_prep.readers import Entry, Listing

SHARD_BYTES = 192 * 2**20  # of images in a shard, which a worker holds in memory: 1024 of 256x256
SHARDS_OF_A_SPLIT = 32  # a small split is still cut into so many, for the workers to share
FEWEST_IN_A_SHARD = 16
PIXELS = 2  # to be counted on when the same bytes come to give other pixels


@dataclass(frozen=True)
class ShardPlan:
    """One shard to be: its place and its images in order."""

    split: str
    index: int
    entries: list[Entry]

    @property
    def name(self) -> str:
        """Its file name."""
        return shard_name(self.split, self.index)


@dataclass(frozen=True)
class Plan:
    """The whole dataset to be. `identity` changes with everything that changes what is written."""

    size: int
    classes: list[ClassInfo]
    class_order: str
    shards: list[ShardPlan]
    identity: str

    @property
    def images(self) -> int:
        """Images of all splits, those that may turn out unreadable included."""
        return sum(len(shard.entries) for shard in self.shards)

    @property
    def stamp(self) -> Stamp:
        """What every file of the dataset carries."""
        return Stamp(self.identity, self.size, self.class_order, zlib.crc32(classes_json(self.classes)))


def make_plan(listing: Listing, options: PrepOptions) -> Plan:
    """Divide, limit and order the images of a listing.

    Without a split "test", and then "val", a share of each class of "train" becomes it. A limit keeps the first
    images of each class in each split, in a seeded order. "train" is in a seeded order over all classes, the others
    as they are listed. Failure where there is too little to train on.
    """
    splits, seed, size = dict(listing.splits), options.seed, options.size
    shares = {
        "test": listing.test_share if options.test_share is None else options.test_share,
        "val": listing.val_share if options.val_share is None else options.val_share,
    }
    for split, share in shares.items():
        if split not in splits and share > 0:
            splits["train"], splits[split] = _divide(splits["train"], seed, share, split)
    for split, entries in splits.items():
        most = options.most(split)
        if most is not None:
            splits[split] = _first(entries, seed, most)
    train = splits["train"]
    if not train:
        raise Failure("there are no images to train on: give a folder with a folder of images for each class")
    if len({entry.label for entry in train}) < 2:
        raise Failure("there are images of one class only, two are the least: give a folder for each class")
    splits["train"] = _ranked(train, seed, "order")

    identity = blake2b(digest_size=16)
    classes = [asdict(info) for info in listing.classes]
    facts = [FORMAT_VERSION, PIXELS, size, listing.class_order, listing.content, classes]
    identity.update(json.dumps(facts).encode())
    shards = []
    for split in SPLITS:
        entries = splits.get(split, [])
        step = shard_length(len(entries), size)
        for number, start in enumerate(range(0, len(entries), step)):
            shard = ShardPlan(split, number, entries[start : start + step])
            lines = "".join(f"{split}\0{entry.name}\0{entry.label}\n" for entry in shard.entries)
            identity.update(lines.encode("utf-8", "surrogateescape"))
            shards.append(shard)
    return Plan(size, listing.classes, listing.class_order, shards, identity.hexdigest())


def shard_length(images: int, size: int) -> int:
    """How many of a split's images go into one shard: by their number and size alone."""
    most = max(1, SHARD_BYTES // (size * size * 3))
    return min(most, max(FEWEST_IN_A_SHARD, -(-images // SHARDS_OF_A_SPLIT)))


def _divide(entries: list[Entry], seed: int, share: float, split: str) -> tuple[list[Entry], list[Entry]]:
    """Take `share` of each class away, rounded, but at least one of a class and never all."""
    purpose = "split" if split == "val" else split
    taken: set[str] = set()
    for members in _by_class(entries).values():
        count = min(len(members) - 1, max(1, int(len(members) * share + 0.5)))
        taken.update(entry.name for entry in _ranked(members, seed, purpose)[:count])
    return (
        [entry for entry in entries if entry.name not in taken],
        [entry for entry in entries if entry.name in taken],
    )


def _first(entries: list[Entry], seed: int, most: int) -> list[Entry]:
    kept: set[str] = set()
    for members in _by_class(entries).values():
        kept.update(entry.name for entry in _ranked(members, seed, "limit")[:most])
    return [entry for entry in entries if entry.name in kept]


def _by_class(entries: list[Entry]) -> dict[int, list[Entry]]:
    classes = defaultdict(list)
    for entry in entries:
        classes[entry.label].append(entry)
    return classes


def _ranked(entries: list[Entry], seed: int, purpose: str) -> list[Entry]:
    """The entries in a random order that depends on their names alone; by strings of bytes, as there are millions."""
    begun = blake2b(f"{seed}\0{purpose}\0".encode(), digest_size=8)

    def key(entry: Entry) -> bytes:
        name, draw = entry.name.encode("utf-8", "surrogateescape"), begun.copy()
        draw.update(name)
        return draw.digest() + name

    return sorted(entries, key=key)
