"""Whether a dataset is still what was written: every file of it, every checksum."""

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.console import Advance
from alexnet.data.format import SHARD_FORMAT, SPLITS, STATS, guarded, mishaps, reading, shard_name, skipped_of
from alexnet.data.shards import Dataset, Shard
from alexnet.errors import Failure

TOLD_AT_ONCE = 64  # images


@dataclass(frozen=True)
class Damage:
    """A file that is not what it was, or one of its images: `row` is its place there."""

    file: Path
    what: str
    row: int | None = None

    def __str__(self) -> str:
        return self.what if self.row is None else f"{self.file}: image {self.row}, {self.what}"


@dataclass
class Findings:
    """What a dataset holds: images of each split and class, reasons for which images were left out, damage."""

    per_class: dict[str, NDArray[np.int64]]
    skipped: Counter[str] = field(default_factory=Counter)
    damage: list[Damage] = field(default_factory=list)


def verify(data: Dataset, advance: Advance) -> Findings:
    """Read the whole dataset once, in long runs; `advance` is told of images that have been read."""
    found = Findings({split: np.zeros(len(data.classes), np.int64) for split in SPLITS if data.shard_counts[split]})
    for split in found.per_class:
        before = len(found.damage)
        for index in range(data.shard_counts[split]):
            try:
                _verify_shard(data.shard(split, index), found, advance)
            except Failure as failure:
                found.damage.append(Damage(data.path / shard_name(split, index), str(failure)))
        if len(found.damage) == before and found.per_class[split].sum() != data.counts[split]:
            stats = data.path / STATS
            what = f"{stats} counts {data.counts[split]} {split} images, the files hold {found.per_class[split].sum()}"
            found.damage.append(Damage(stats, what))
    return found


def _verify_shard(shard: Shard, found: Findings, advance: Advance) -> None:
    with reading(shard.path, SHARD_FORMAT) as file:
        arrays = {key: guarded(file, key) for key in file if "crc32" in file[key].attrs}
        names = [name.decode("utf-8", "replace") for name in arrays["names"].tolist()]
        found.skipped.update(fact["reason"] for fact in skipped_of(file))
    found.per_class[shard.split] += np.bincount(shard.labels, minlength=len(found.per_class[shard.split]))
    told = 0
    for row, checksum in enumerate(_checksums(shard)):
        if checksum != shard.checksums[row]:
            found.damage.append(Damage(shard.path, f"made of {names[row]}: its checksum does not agree", row))
        if row + 1 - told == TOLD_AT_ONCE or row + 1 == len(shard):
            advance(row + 1 - told, f"{len(found.damage)} damaged" if found.damage else "")
            told = row + 1


def _checksums(shard: Shard) -> Iterator[int]:
    """Of each image as it lies on the disk: read and not mapped, where a bad sector would end the process."""
    image = bytearray(shard.image_bytes)
    with mishaps(shard.path), shard.path.open("rb") as file:
        file.seek(shard.offset)
        for _ in range(len(shard)):
            file.readinto(image)
            yield zlib.crc32(image)
