"""The dataset directory: its files and what is in each, for those who write it and those who read it.

    stats.h5         mean (S, S, 3) float32; pca/covariance (3, 3), pca/eigenvalues (3) descending and pca/eigenvectors
                     (3, 3) in columns, float64, of pixel values 0..255; attributes `images` and `shards`, int64, the
                     counts of each split; written last, it marks a whole dataset
    classes.json     [{"index": 0, "id": "n01440764", "name": "tench"}, ...]
    train-00000.h5   images (n, S, S, 3) uint8 in one piece, which ends the file; labels (n) int32; names (n), each
                     image's name in its source; checksums (n) uint32, the CRC-32 of each image; skipped, a line of
                     JSON for each image left out; in train pixel_sums (S, S, 3) uint32 and product_sums (3, 3) uint64;
                     attributes `split` and `shard`; likewise val-, test-
    prep.json        what prep was asked for; it comes before all else, and marks the folder as a dataset's
    skipped.jsonl    what was left out of all shards

Every HDF5 file has the attributes `format` and `version` and those of its Stamp. Nothing read from here is trusted
unseen: HDF5 checks its own headers, `crc32` attributes guard the small arrays, each stamp guards classes.json, and
each image is checked the first time it is used.
"""

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from alexnet.errors import Failure, reason, withheld

FORMAT_VERSION = 1
SHARD_FORMAT = "alexnet shard"
STATS_FORMAT = "alexnet stats"
STATS = "stats.h5"
CLASSES = "classes.json"
RECORD = "prep.json"
SKIPPED = "skipped.jsonl"
SPLITS = ("train", "val", "test")

Pixels = NDArray[np.uint8]  # one image or several, 0..255


def shard_name(split: str, index: int) -> str:
    """The file name of a split's shard."""
    return f"{split}-{index:05d}.h5"


@dataclass(frozen=True)
class ClassInfo:
    """A class: its place in the net's output, its key in the source, its name for people."""

    index: int
    id: str
    name: str


def classes_json(classes: Sequence[ClassInfo]) -> bytes:
    """The content of classes.json."""
    lines = ",\n".join(json.dumps(asdict(info)) for info in classes)
    return f"[\n{lines}\n]\n".encode()


def titles(classes: Sequence[ClassInfo]) -> list[str]:
    """What to call each class for people: its name, and its id too where others have that name."""
    named = Counter(info.name for info in classes)
    return [info.name if named[info.name] == 1 else f"{info.name} ({info.id})" for info in classes]


@dataclass(frozen=True)
class Stamp:
    """What every file of one dataset carries: its identity, class map and image size."""

    dataset: str
    size: int
    class_order: str
    classes_crc32: int

    def put(self, file: h5py.File, form: str) -> None:
        """Write it as the file's attributes."""
        file.attrs["format"] = np.bytes_(form)
        file.attrs["version"] = np.uint32(FORMAT_VERSION)
        file.attrs["image_size"] = np.uint32(self.size)
        file.attrs["class_order"] = np.bytes_(self.class_order)
        file.attrs["classes_crc32"] = np.uint32(self.classes_crc32)
        file.attrs["dataset"] = np.bytes_(self.dataset)

    @classmethod
    def of(cls, file: h5py.File) -> "Stamp":
        """The stamp that a file carries."""
        size, crc32 = int(file.attrs["image_size"]), int(file.attrs["classes_crc32"])
        return cls(text(file, "dataset"), size, text(file, "class_order"), crc32)


def put(file: h5py.File, key: str, array: NDArray[Any]) -> None:
    """Write a small array with its checksum."""
    data = file.create_dataset(key, data=array, track_times=False)
    data.attrs["crc32"] = np.uint32(zlib.crc32(np.ascontiguousarray(array).tobytes()))


def guarded(file: h5py.File, key: str) -> NDArray[Any]:
    """An array of the file, its bytes checked against its `crc32` attribute."""
    data = file[key]
    array: NDArray[Any] = np.ascontiguousarray(data[()])
    if zlib.crc32(array.tobytes()) != int(data.attrs["crc32"]):
        raise ValueError(f"the checksum of {key} does not agree")
    return array


def put_names(file: h5py.File, names: Sequence[str]) -> None:
    """Write the images' names: the bytes that they are in the source, whatever those are."""
    encoded = [name.encode("utf-8", "surrogateescape") for name in names]
    put(file, "names", np.array(encoded, f"S{max(map(len, encoded), default=1)}"))


def names_of(file: h5py.File) -> list[str]:
    """The images' names."""
    return [name.decode("utf-8", "surrogateescape") for name in guarded(file, "names").tolist()]


def put_skipped(file: h5py.File, skipped: Sequence[Mapping[str, str]]) -> None:
    """Write what was left out, and why."""
    lines = "".join(json.dumps(fact) + "\n" for fact in skipped).encode()
    put(file, "skipped", np.frombuffer(lines, np.uint8))


def skipped_of(file: h5py.File) -> list[dict[str, str]]:
    """What was left out, and why: "split", "name", "class" and "reason"."""
    return [json.loads(line) for line in guarded(file, "skipped").tobytes().splitlines()]


def text(file: h5py.File, key: str) -> str:
    """A text attribute of the file."""
    return bytes(file.attrs[key]).decode()


class Damaged(Failure):
    """A file that is not what was written; making it anew mends it."""


@contextmanager
def reading(path: Path, form: str) -> Iterator[h5py.File]:
    """A file of the dataset, open for reading; every mishap inside becomes a Failure that names it."""
    with mishaps(path), h5py.File(path, "r", locking=False) as file:
        if file.attrs.get("format") != form.encode():
            raise Damaged(f"{path} was not written by alexctl prep: move it away and run alexctl prep again")
        version = int(file.attrs["version"])
        if version > FORMAT_VERSION:
            raise Failure(
                f"{path} has format version {version}, this alexctl reads up to {FORMAT_VERSION}: "
                "install a newer one, or prep again"
            )
        yield file


@contextmanager
def mishaps(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong inside into a Failure that names the file: Damaged, unless the system refuses it."""
    try:
        yield
    except (Failure, MemoryError):
        raise
    except FileNotFoundError:
        raise Damaged(f"{path} is missing: run alexctl prep again, which makes it again") from None
    except Exception as error:  # h5py answers damage with whatever exception comes first
        if refusal := withheld(error):
            raise Failure(f"{path} cannot be read ({refusal}): fix that and run the same command again") from None
        raise Damaged(
            f"{path} cannot be read or is damaged ({reason(error)}): delete it and run alexctl prep again"
        ) from None
