"""Reading a dataset directory (`format` says what is in it): its images one by one, from where they lie.

The files are mapped; where the file system maps none, each image is read when it is asked for.
"""

import json
import mmap
import os
import threading
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from io import FileIO
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.data.format import (
    CLASSES,
    RECORD,
    SHARD_FORMAT,
    SPLITS,
    STATS,
    STATS_FORMAT,
    ClassInfo,
    Pixels,
    Stamp,
    guarded,
    mishaps,
    names_of,
    reading,
    shard_name,
    text,
)
from alexnet.errors import Failure

PIECE = 4 * 2**20  # bytes read at once
MAPS_KEPT = 512  # a map holds a file descriptor, of which a process often has 1024


@dataclass(frozen=True)
class Shard:
    """What a shard's file says of itself, all of it checked; its pixels are at `offset`."""

    path: Path
    split: str
    index: int
    stamp: Stamp
    labels: NDArray[np.int32]
    checksums: NDArray[np.uint32]
    offset: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """The images' side in pixels."""
        return self.stamp.size

    @property
    def image_bytes(self) -> int:
        """Of one image."""
        return self.size**2 * 3

    def names(self) -> list[str]:
        """Each image's name in its source, read from the file."""
        with reading(self.path, SHARD_FORMAT) as file:
            return names_of(file)

    def opened(self) -> Callable[[int], Pixels]:
        """A way to the image of a row, (S, S, 3) read-only and not checked; Failure where the file is not whole."""
        shape = (len(self), self.size, self.size, 3)
        with mishaps(self.path):
            file = self.path.open("rb", buffering=0)
            try:
                whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except OSError:  # FUSE, 9p and shared folders often map no files
                return partial(self._read, file)
            file.close()
            images: Pixels = np.ndarray(shape, np.uint8, whole, self.offset)
            return images.__getitem__

    def _read(self, file: FileIO, row: int) -> Pixels:
        with mishaps(self.path):
            content = os.pread(file.fileno(), self.image_bytes, self.offset + row * self.image_bytes)
            return np.frombuffer(content, np.uint8).reshape(self.size, self.size, 3)


def read_shard(path: Path) -> Shard:
    """Open a shard and check everything but its pixels; Failure where anything is amiss."""
    with reading(path, SHARD_FORMAT) as file:
        labels, checksums = guarded(file, "labels"), guarded(file, "checksums")
        images, stamp = file["images"], Stamp.of(file)
        offset = images.id.get_offset() or 0
        if images.shape != (len(labels), stamp.size, stamp.size, 3) or checksums.shape != labels.shape:
            raise ValueError("its arrays differ in length")
        if images.dtype != np.uint8 or labels.dtype != np.int32 or checksums.dtype != np.uint32:
            raise ValueError("its arrays are of other types")
        return Shard(
            path=path,
            split=text(file, "split"),
            index=int(file.attrs["shard"]),
            stamp=stamp,
            labels=labels,
            checksums=checksums,
            offset=offset,
        )


class Split:
    """One split's images in their stored order, over all its shards.

    Safe to use from several threads. `labels` is int32 (n).
    """

    def __init__(self, name: str, shards: list[Shard]) -> None:
        self.name = name
        self.shards = shards
        self._starts = [0, *accumulate(len(shard) for shard in shards)]
        self.labels: NDArray[np.int32] = np.concatenate([shard.labels for shard in shards])
        self._checksums = np.concatenate([shard.checksums for shard in shards])
        self._verified = np.zeros(len(self), np.bool_)
        self._opened = lru_cache(maxsize=MAPS_KEPT)(lambda number: shards[number].opened())
        self._names: list[str] | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._starts[-1]

    @property
    def names(self) -> list[str]:
        """Each image's name in its source, read at the first use."""
        with self._lock:
            if self._names is None:
                self._names = [name for shard in self.shards for name in shard.names()]
            return self._names

    def image(self, index: int) -> Pixels:
        """Image `index`, (S, S, 3) uint8, read-only, of the mapped shard where it can be mapped.

        Raises Failure, naming shard and place, where the bytes are not those that were written.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)} in {self.name}")
        number = bisect_right(self._starts, index) - 1
        row = index - self._starts[number]
        pixels = self._opened(number)(row)
        if not self._verified[index]:
            if zlib.crc32(pixels.data) != self._checksums[index]:
                raise Failure(
                    f"{self.shards[number].path}: image {row} is damaged, its checksum does not agree: "
                    "delete this file and run alexctl prep again, which makes it again"
                )
            self._verified[index] = True
        return pixels

    def read_ahead(self, run: range) -> None:
        """Read the images of `run` from the disk in long pieces and forget them: the system keeps them for a while.

        Raises Failure where a shard cannot be read.
        """
        piece, size = bytearray(PIECE), self.shards[0].image_bytes
        for number in range(bisect_right(self._starts, run.start) - 1, bisect_left(self._starts, run.stop)):
            shard, start = self.shards[number], self._starts[number]
            first, last = max(run.start - start, 0), min(run.stop - start, len(shard))
            with mishaps(shard.path), shard.path.open("rb", buffering=0) as file:
                file.seek(shard.offset + first * size)
                left = (last - first) * size
                while left and (read := file.readinto(memoryview(piece)[:left])):
                    left -= read


class Dataset:
    """A whole dataset directory as `alexctl prep` leaves it; Failure where it is not whole.

    `mean` (S, S, 3) float32; `covariance` (3, 3), `eigenvalues` (3) descending, of pixel values 0..255,
    and `eigenvectors` (3, 3) in columns, float64; `counts` images of each split (section 2 and 4.1) in
    `shard_counts` shards.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        stats, call = self.path / STATS, f"alexctl prep SOURCE --out {path}"
        if not self.path.is_dir():
            raise Failure(f"there is no dataset {path}: make it with {call}")
        if not stats.is_file():
            if not (self.path / RECORD).exists():
                call = f"alexctl prep {path} --out DATA if these are the images, and name DATA"
            raise Failure(f"{path} is not a whole dataset, {STATS} is missing: run {call}")
        with reading(stats, STATS_FORMAT) as file:
            self.stamp = Stamp.of(file)
            self.mean: NDArray[np.float32] = guarded(file, "mean")
            self.covariance: NDArray[np.float64] = guarded(file, "pca/covariance")
            self.eigenvalues: NDArray[np.float64] = guarded(file, "pca/eigenvalues")
            self.eigenvectors: NDArray[np.float64] = guarded(file, "pca/eigenvectors")
            self.counts = dict(zip(SPLITS, map(int, file.attrs["images"]), strict=True))
            self.shard_counts = dict(zip(SPLITS, map(int, file.attrs["shards"]), strict=True))
        self.size, self.identity, self.class_order = self.stamp.size, self.stamp.dataset, self.stamp.class_order
        self.classes = self._read_classes()
        self._splits: dict[str, Split] = {}
        self._lock = threading.Lock()

    def split(self, name: str, *more: str) -> Split:
        """The images of "train", "val" or "test", or of one after the other; opened at the first call."""
        for each in (name, *more):
            if not self.counts.get(each):
                held = ", ".join(key for key, count in self.counts.items() if count)
                raise Failure(f"{self.path} has no images in split {each!r}: it has {held}")
        if more:
            parts = [self.split(each) for each in (name, *more)]
            return Split("+".join((name, *more)), [shard for part in parts for shard in part.shards])
        with self._lock:
            if name not in self._splits:
                self._splits[name] = self._open(name)
            return self._splits[name]

    def _open(self, name: str) -> Split:
        shards = [self.shard(name, index) for index in range(self.shard_counts[name])]
        split = Split(name, shards)
        if len(split) != self.counts[name]:
            raise Failure(
                f"{self.path}: the {name} shards hold {len(split)} images where {STATS} counts "
                f"{self.counts[name]}: delete {STATS} and run alexctl prep again"
            )
        return split

    def shard(self, split: str, index: int) -> Shard:
        """Open one of `shard_counts[split]` shards; Failure where it is damaged or of another dataset."""
        path = self.path / shard_name(split, index)
        shard = read_shard(path)
        if (shard.stamp, shard.split, shard.index) != (self.stamp, split, index):
            raise Failure(f"{path} is of another dataset than {STATS}: delete it and run alexctl prep again")
        if len(shard) and not 0 <= np.min(shard.labels) <= np.max(shard.labels) < len(self.classes):
            raise Failure(
                f"{path} has a label outside 0..{len(self.classes) - 1}: delete it and run alexctl prep again"
            )
        return shard

    def _read_classes(self) -> list[ClassInfo]:
        path = self.path / CLASSES
        with mishaps(path):
            content = path.read_bytes()
            if zlib.crc32(content) != self.stamp.classes_crc32:
                raise ValueError(f"it is not the one {STATS} was made with")
            classes = [ClassInfo(**entry) for entry in json.loads(content)]
        return classes
