"""CIFAR-10, in its binary or its Python form, unpacked or as the archive that is published.

    cifar-10-batches-bin/data_batch_1.bin ... test_batch.bin     or cifar-10-binary.tar.gz
    cifar-10-batches-py/data_batch_1 ... test_batch              or cifar-10-python.tar.gz

An image is 3072 bytes, red, green, blue of 32x32. In the binary form its label is the byte before; the
Python form pickles the images of a batch in one piece, which lies in the file as it is.
"""

import io
import pickle
import tarfile
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alexnet.data.format import ClassInfo, Pixels
from alexnet.errors import Failure, reason
from data_prep import published
from data_prep.readers.archive import PlaceFetch
from data_prep.readers.base import Entry, Form, Listing
from data_prep.readers.unzip import unzipping, up_to

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
PIXELS = 3 * 32 * 32
MOST_BYTES = 2**28  # an archive unzips to 2**27.5
RECONSTRUCT = np.empty(0).__reduce__()[0]  # what NumPy's own pickles call, whatever its module is called
BINARY, PYTHON = ".bin", ""  # how the batches' files end
PLACES = (
    ("cifar-10-batches-bin", BINARY),
    ("cifar-10-batches-py", PYTHON),
    (".", BINARY),
    (".", PYTHON),
    ("cifar-10-binary.tar.gz", BINARY),
    ("cifar-10-python.tar.gz", PYTHON),
)


@dataclass(frozen=True)
class CifarFetch:
    """Gives an entry's pixels (32, 32, 3); of an archive, `start` counts the unzipped bytes."""

    source: Path
    content: str

    def __call__(self, entry: Entry) -> Pixels:
        if entry.file.endswith(".gz"):
            whole = _unzipped(self.source / entry.file, self.content)
            pixels = whole[entry.start : entry.start + entry.length]
        else:
            pixels = PlaceFetch(self.source, self.content)(entry)
        return np.ascontiguousarray(np.frombuffer(pixels, np.uint8).reshape(3, 32, 32).transpose(1, 2, 0))


class Batch(NamedTuple):
    """A batch's file: where it lies, from which byte on, and its bytes."""

    file: str
    start: int
    content: bytes


def recognises(source: Path) -> bool:
    """Whether CIFAR-10 is in `source` in one of its forms."""
    return _place(source) is not None


def listing(source: Path) -> Listing:
    """List the images by their place; Failure where a batch is missing or damaged."""
    place = _place(source)
    if place is None:
        raise Failure(f"{source} does not hold CIFAR-10: put cifar-10-binary.tar.gz there")
    batches = _batches(source, *place)
    splits, notes, digest = dict[str, list[Entry]](), list[str](), blake2b(digest_size=16)
    for split, names in BATCHES.items():
        entries: list[Entry] = []
        for name in names:
            batch = batches.get(name)
            if batch is None:
                raise Failure(f"{source / place[0]} lacks {name}{place[1]}: get it again")
            labels, starts = (_binary if place[1] == BINARY else _python)(batch, source)
            if max(labels, default=0) >= len(NAMES):
                raise Failure(f"{source / batch.file} has a label {max(labels)} in {name}, 0 to 9 exist: get it again")
            for label, start in zip(labels, starts, strict=True):
                entry = Entry(f"{split}/{len(entries):05d}", label, batch.file, batch.start + start, PIXELS)
                digest.update(bytes((label,)) + batch.content[start : start + PIXELS])
                entries.append(entry)
        splits[split] = entries
        counts = Counter(NAMES[entry.label] for entry in entries)
        notes.append(published.compare("cifar10", split, counts))
    content = digest.hexdigest()
    classes = [ClassInfo(label, name, name) for label, name in enumerate(NAMES)]
    return Listing(classes, "number", splits, CifarFetch(source, content), content, "", notes)


def _place(source: Path) -> tuple[str, str] | None:
    for name, suffix in PLACES:
        path = source / name
        if path.is_file() if name.endswith(".gz") else (path / f"data_batch_1{suffix}").is_file():
            return name, suffix
    return None


def _batches(source: Path, place: str, suffix: str) -> dict[str, Batch]:
    """The batches that are there, by name."""
    wanted = {f"{name}{suffix}": name for names in BATCHES.values() for name in names}
    if not place.endswith(".gz"):
        files = {name: source / place / file for file, name in wanted.items() if (source / place / file).is_file()}
        return {name: Batch(path.relative_to(source).as_posix(), 0, _read(path)) for name, path in files.items()}
    whole = _read(source / place)
    try:
        with tarfile.open(fileobj=io.BytesIO(whole), mode="r:") as tar:
            found = {Path(member.name).name: member for member in tar if member.isfile()}
    except tarfile.TarError as error:
        raise Failure(f"{source / place} is damaged ({reason(error)}): get it again") from None
    return {
        wanted[file]: Batch(place, member.offset_data, whole[member.offset_data : member.offset_data + member.size])
        for file, member in found.items()
        if file in wanted
    }


def _binary(batch: Batch, source: Path) -> tuple[list[int], range]:
    """The labels, and where each image starts."""
    length = len(batch.content)
    if not length or length % (1 + PIXELS):
        raise Failure(
            f"{source / batch.file}: {length} bytes are not a batch, each image has {1 + PIXELS}: get it again"
        )
    return list(batch.content[:: 1 + PIXELS]), range(1, length, 1 + PIXELS)


def _python(batch: Batch, source: Path) -> tuple[list[int], range]:
    """The labels, and where each image starts."""
    try:
        held = _Careful(io.BytesIO(batch.content), encoding="bytes").load()
        data, labels = held[b"data"], [int(label) for label in held[b"labels"]]
        if data.dtype != np.uint8 or data.shape != (len(labels), PIXELS) or min(labels) < 0:
            raise ValueError("its images and labels do not fit")
        start = batch.content.find(data[0].tobytes())
        if start < 0 or batch.content[start : start + data.size] != data.tobytes():
            raise ValueError("its images do not lie in one piece")
    except Exception as error:  # unpickling answers damage with whatever exception comes first
        raise Failure(f"{source / batch.file} is damaged ({reason(error)}): get it again") from None
    return labels, range(start, start + data.size, PIXELS)


class _Careful(pickle.Unpickler):
    """Makes arrays, and nothing else that a pickle could name: a pickle can otherwise run anything."""

    def find_class(self, module: str, name: str) -> Any:
        known = {"_reconstruct": RECONSTRUCT, "ndarray": np.ndarray, "dtype": np.dtype}
        if module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray") and name in known:
            return known[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no batch needs")


def _read(path: Path) -> bytes:
    """A batch's or an archive's bytes; Failure where there are more than CIFAR-10 has."""
    with unzipping(path) as file:
        content = up_to(file, MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Failure(f"{path} holds more than {MOST_BYTES} bytes, which CIFAR-10 does not: get it again")
    return content


@lru_cache(maxsize=1)
def _unzipped(path: Path, content: str) -> bytes:
    """An archive's bytes, kept from entry to entry; `content` tells files of one name apart."""
    return _read(path)


FORM = Form("cifar10", "CIFAR-10, binary or Python, unpacked or .tar.gz", recognises, listing)
