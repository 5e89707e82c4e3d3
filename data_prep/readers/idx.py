"""IDX files, the form of MNIST and Fashion-MNIST, gzipped or plain.

`train-*` is the training set, `t10k-*` the test set. An optional `classes.txt` beside them names the
classes, a line each; otherwise they are called by their numbers.
"""

import math
import struct
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np

from alexnet.data.format import ClassInfo, Pixels
from alexnet.errors import Failure, reason
from alexnet.texts import decoded
from data_prep.readers.base import Entry, Form, Listing
from data_prep.readers.unzip import unzipping, up_to

PREFIXES = {"train": "train", "test": "t10k"}
NAMES = "classes.txt"
MOST_BYTES = 2**32  # of an array, which each worker holds; EMNIST, the largest of its kind, has 2**29


@dataclass(frozen=True)
class IdxFetch:
    """Gives an entry's pixels (H, W): image `start` of its file; `content` is the listing's digest."""

    source: Path
    content: str

    def __call__(self, entry: Entry) -> Pixels:
        pixels: Pixels = _images(self.source / entry.file, self.content)[entry.start]
        return pixels


def recognises(source: Path) -> bool:
    """Whether the training images are in `source`."""
    return _find(source, "train", "images", 3) is not None


def listing(source: Path) -> Listing:
    """List the images by their place; Failure where a file is missing, damaged or does not fit."""
    splits, content = {}, blake2b(digest_size=16)
    for split, prefix in PREFIXES.items():
        images_path = _find(source, prefix, "images", 3)
        labels_path = _find(source, prefix, "labels", 1)
        if images_path is None and labels_path is None and split != "train":
            continue
        if images_path is None or labels_path is None:
            part = "images" if images_path is None else "labels"
            raise Failure(f"{source} lacks the {part} of {prefix}: get {prefix}-{part}-idx*-ubyte.gz")
        images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
        if len(images) != len(labels):
            raise Failure(
                f"{images_path} holds {len(images)} images and {labels_path.name} {len(labels)} labels: "
                "get both files again"
            )
        content.update(split.encode() + repr(images.shape).encode() + images.tobytes() + labels.tobytes())
        splits[split] = [
            Entry(f"{split}/{number:05d}", label, images_path.name, number)
            for number, label in enumerate(labels.tolist())
        ]
    top = max((entry.label for entries in splits.values() for entry in entries), default=-1)
    classes = _classes(source, top)
    digest = content.hexdigest()
    return Listing(classes, "number", splits, IdxFetch(source, digest), digest, "")


def read_idx(path: Path, dimensions: int) -> Pixels:
    """The array of bytes in an IDX file, read no further than its header says; Failure unless it is whole.

    It has so many dimensions, and `MOST_BYTES` at the most.
    """
    with unzipping(path) as file:
        head = up_to(file, 4 * (1 + dimensions))
        if head[:4] != bytes((0, 0, 8, dimensions)) or len(head) < 4 * (1 + dimensions):
            raise Failure(f"{path} is not an IDX file of bytes in {dimensions} dimensions: get it again")
        shape = struct.unpack(f">{dimensions}I", head[4:])
        length = math.prod(shape)
        content = up_to(file, min(length, MOST_BYTES) + 1)  # one more, to know that it ends there
    if len(content) != length:
        more = " or more" if len(content) > min(length, MOST_BYTES) else ""
        raise Failure(f"{path} has {len(content)} bytes{more} for an array of {shape}: get it again")
    return np.frombuffer(content, np.uint8).reshape(shape)


@lru_cache(maxsize=2)
def _images(path: Path, content: str) -> Pixels:
    """A file's images, kept from entry to entry; `content` tells files of one name apart."""
    return read_idx(path, 3)


def _find(source: Path, prefix: str, part: str, dimensions: int) -> Path | None:
    for name in (f"{prefix}-{part}-idx{dimensions}-ubyte", f"{prefix}-{part}.idx{dimensions}-ubyte"):
        for path in (source / name, source / f"{name}.gz"):
            if path.is_file():
                return path
    return None


def _classes(source: Path, top: int) -> list[ClassInfo]:
    path = source / NAMES
    names = [str(number) for number in range(top + 1)]
    if path.is_file():
        try:
            names = decoded(path.read_bytes()).strip().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"{path} cannot be read ({reason(error)}): write one name per line, in UTF-8") from None
        if len(names) <= top:
            raise Failure(f"{path} names {len(names)} classes, but there is a label {top}: name them all")
    return [ClassInfo(number, str(number), name.strip()) for number, name in enumerate(names)]


FORM = Form("idx", "train-images-idx3-ubyte and the like, gzipped or not", recognises, listing)
