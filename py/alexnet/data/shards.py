"""The dataset directory: its file names, its format, and a reader that maps the images.

    stats.h5         mean and colour axes of the training set; written last, it marks a whole dataset
    classes.json     [{"index": 0, "id": "n01440764", "name": "tench"}, ...]
    train-00000.h5   images (n, S, S, 3) uint8 in one piece, labels, names, checksums; likewise val-, test-

Nothing read from here is trusted unseen: HDF5 checks its own headers, `crc32` attributes guard the
small arrays, stats.h5 guards classes.json, and each image is checked the first time it is used.
"""

import json
import mmap
import threading
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from alexnet.errors import Failure, reason

FORMAT_VERSION = 1
SHARD_FORMAT = "alexnet shard"
STATS_FORMAT = "alexnet stats"
STATS = "stats.h5"
CLASSES = "classes.json"
SPLITS = ("train", "val", "test")
PIECE = 4 * 2**20  # bytes read at once
MAPS_KEPT = 512  # a map holds a file descriptor, of which a process often has 1024

Pixels = NDArray[np.uint8]


def shard_name(split: str, index: int) -> str:
    """The file name of a split's shard."""
    return f"{split}-{index:05d}.h5"


@dataclass(frozen=True)
class ClassInfo:
    """A class: its place in the net's output, its key in the source, its name for people."""

    index: int
    id: str
    name: str


@dataclass(frozen=True)
class Shard:
    """What a shard's file says of itself, all of it checked; its pixels are at `offset`."""

    path: Path
    split: str
    index: int
    size: int
    dataset: str
    classes_crc32: int
    labels: NDArray[np.int32]
    checksums: NDArray[np.uint32]
    offset: int

    def __len__(self) -> int:
        return len(self.labels)

    def names(self) -> list[str]:
        """Each image's name in its source, read from the file."""
        with reading(self.path, SHARD_FORMAT) as file:
            return [name.decode("utf-8", "surrogateescape") for name in guarded(file, "names").tolist()]

    def pixels(self) -> Pixels:
        """The images (n, S, S, 3), mapped read-only and not checked."""
        shape = (len(self), self.size, self.size, 3)
        if not len(self):
            return np.empty(shape, np.uint8)
        with mishaps(self.path), self.path.open("rb") as file:
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return np.ndarray(shape, np.uint8, whole, self.offset)


def read_shard(path: Path) -> Shard:
    """Open a shard and check everything but its pixels; Failure where anything is amiss."""
    with reading(path, SHARD_FORMAT) as file:
        labels, checksums = guarded(file, "labels"), guarded(file, "checksums")
        images, size = file["images"], int(file.attrs["image_size"])
        offset = images.id.get_offset() or 0
        if images.shape != (len(labels), size, size, 3) or checksums.shape != labels.shape:
            raise ValueError("its arrays differ in length")
        if images.dtype != np.uint8 or labels.dtype != np.int32 or checksums.dtype != np.uint32:
            raise ValueError("its arrays are of other types")
        return Shard(
            path=path,
            split=text(file, "split"),
            index=int(file.attrs["shard"]),
            size=size,
            dataset=text(file, "dataset"),
            classes_crc32=int(file.attrs["classes_crc32"]),
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
        self._maps = lru_cache(maxsize=MAPS_KEPT)(lambda number: shards[number].pixels())
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
        """Image `index`, (S, S, 3) uint8, a read-only view of the mapped shard.

        Raises Failure, naming shard and place, where the bytes are not those that were written.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)} in {self.name}")
        number = bisect_right(self._starts, index) - 1
        row = index - self._starts[number]
        pixels: Pixels = self._maps(number)[row]
        if not self._verified[index]:
            if zlib.crc32(pixels.data) != self._checksums[index]:
                raise Failure(
                    f"{self.shards[number].path}: image {row} is damaged, its checksum does not agree: "
                    "delete this file and run alexctl prep again, which makes it anew"
                )
            self._verified[index] = True
        return pixels

    def read_ahead(self, run: range) -> None:
        """Read the images of `run` from the disk in long pieces and forget them: the system keeps them for a while.

        Raises Failure where a shard cannot be read.
        """
        piece, size = bytearray(PIECE), self.shards[0].size ** 2 * 3
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
            raise Failure(f"{path} is not a whole dataset, {STATS} is missing: run {call}")
        with reading(stats, STATS_FORMAT) as file:
            self.size = int(file.attrs["image_size"])
            self.identity = text(file, "dataset")
            self.class_order = text(file, "class_order")
            self.mean: NDArray[np.float32] = guarded(file, "mean")
            self.covariance: NDArray[np.float64] = guarded(file, "pca/covariance")
            self.eigenvalues: NDArray[np.float64] = guarded(file, "pca/eigenvalues")
            self.eigenvectors: NDArray[np.float64] = guarded(file, "pca/eigenvectors")
            self._classes_crc32 = int(file.attrs["classes_crc32"])
            self.counts = dict(zip(SPLITS, map(int, file.attrs["images"]), strict=True))
            self.shard_counts = dict(zip(SPLITS, map(int, file.attrs["shards"]), strict=True))
        self.classes = self._read_classes()
        self._splits: dict[str, Split] = {}
        self._lock = threading.Lock()

    def split(self, name: str) -> Split:
        """The images of `name`: "train", "val" or "test"; opened at the first call."""
        if not self.counts.get(name):
            held = ", ".join(key for key, count in self.counts.items() if count)
            raise Failure(f"{self.path} has no images in split {name!r}: it has {held}")
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
        if not path.is_file():
            raise Failure(f"{path} is missing: run alexctl prep again, which makes it anew")
        shard = read_shard(path)
        own = (self.identity, split, index, self.size, self._classes_crc32)
        if (shard.dataset, shard.split, shard.index, shard.size, shard.classes_crc32) != own:
            raise Failure(f"{path} is of another dataset than {STATS}: delete it and run alexctl prep again")
        if len(shard) and not 0 <= shard.labels.min() <= shard.labels.max() < len(self.classes):
            raise Failure(
                f"{path} has a label outside 0..{len(self.classes) - 1}: delete it and run alexctl prep again"
            )
        return shard

    def _read_classes(self) -> list[ClassInfo]:
        path = self.path / CLASSES
        with mishaps(path):
            content = path.read_bytes()
            if zlib.crc32(content) != self._classes_crc32:
                raise ValueError(f"it is not the one {STATS} was made with")
            classes = [ClassInfo(**entry) for entry in json.loads(content)]
        return classes


@contextmanager
def reading(path: Path, form: str) -> Iterator[h5py.File]:
    """A file of the dataset, open for reading; every mishap inside becomes a Failure that names it."""
    with mishaps(path), h5py.File(path, "r", locking=False) as file:
        if file.attrs.get("format") != form.encode():
            raise Failure(f"{path} was not written by alexctl prep: move it away and run alexctl prep again")
        version = int(file.attrs["version"])
        if version > FORMAT_VERSION:
            raise Failure(
                f"{path} has format version {version}, this alexctl reads up to {FORMAT_VERSION}: "
                "install a newer one, or prep again"
            )
        yield file


def text(file: h5py.File, key: str) -> str:
    """A text attribute of the file."""
    return bytes(file.attrs[key]).decode()


def guarded(file: h5py.File, key: str) -> NDArray[Any]:
    """An array of the file, its bytes checked against its `crc32` attribute."""
    data = file[key]
    array: NDArray[Any] = np.ascontiguousarray(data[()])
    if zlib.crc32(array.tobytes()) != int(data.attrs["crc32"]):
        raise ValueError(f"the checksum of {key} does not agree")
    return array


@contextmanager
def mishaps(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong inside into a Failure that names the file."""
    try:
        yield
    except (Failure, MemoryError):
        raise
    except Exception as error:  # h5py answers damage with whatever exception comes first
        raise Failure(
            f"{path} cannot be read or is damaged ({reason(error)}): delete it and run alexctl prep again"
        ) from None
