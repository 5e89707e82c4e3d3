"""The work of one shard."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet.data.decode import FILE_LIMIT, Skip, square
from alexnet.data.format import Stamp
from alexnet.errors import Failure, reason
from data_prep.files import shard_head, write_part
from data_prep.plan import ShardPlan
from data_prep.readers import Entry, Fetch
from data_prep.statistics import Sums


@dataclass(frozen=True)
class Job:
    """One shard to make in `folder`."""

    shard: ShardPlan
    fetch: Fetch
    stamp: Stamp
    class_ids: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Made:
    """A shard written beside its name, to be committed, and how many of its entries are in it."""

    shard: ShardPlan
    part: Path
    images: int


def make_shard(job: Job) -> Made:
    """Read, decode, resize and write a shard's images; in memory it holds them all.

    Raises Failure where a file cannot be read or the shard not be written.
    """
    shard, size = job.shard, job.stamp.size
    images = np.empty((len(shard.entries), size, size, 3), np.uint8)
    entries: list[Entry] = []
    skipped: list[dict[str, str]] = []
    for entry in shard.entries:
        image = images[len(entries)]
        try:
            if entry.length > FILE_LIMIT:
                raise Skip(f"{entry.length} bytes are more than an image needs")
            square(job.fetch(entry), image)
        except Skip as error:
            where = {"split": shard.split, "name": entry.name, "class": job.class_ids[entry.label]}
            skipped.append(where | {"reason": str(error)})
            continue
        except OSError as error:
            raise Failure(
                f"{entry.file} cannot be read ({error.strerror or reason(error)}): restore it and run the same again"
            ) from None
        except MemoryError:
            raise Failure(f"no memory is left to decode {entry.file}: take fewer --workers") from None
        entries.append(entry)
    images, sums = images[: len(entries)], None
    if shard.split == "train":
        sums = Sums.none(size)
        sums.add(images)
    head = shard_head(job.stamp, shard.split, shard.index, images, entries, skipped, sums)
    return Made(shard, write_part(job.folder / shard.name, head, images.reshape(-1).data), len(entries))
