"""A file of features: one row of float16 an image, written in blocks, whole under its name or absent.

    features (n, d) float16 in one piece, which ends the file; labels (n) int32; checksums uint32, the CRC-32 of each
    block of rows; attributes `format`, `version`, `block` (rows of one) and those of its Origin

It grows beside its name as a part that holds all but the blocks to come, whose checksums are 0. A part whose Origin
is the same is gone on with, after its blocks were checked. Blocks are written and read as bytes at their place: a full
disk is an ordinary error, and memory holds a block however many there are.
"""

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from alexnet.data.format import Damaged, guarded, put, text
from alexnet.errors import Failure, reason, withheld
from alexnet.files import PART, take_name, whole_file, writing

FORM, VERSION = "alexnet features", 1
BLOCK_BYTES = 8 * 2**20
ABSENT = 0  # the checksum of a block that is not there; one whose CRC-32 this is has 1
SIGN_EXPONENT_FRACTION = np.uint32(0x8FFFE000).view(np.int32)  # of a half in a single
FINITE = float(np.finfo(np.float16).max)

Halves = NDArray[np.float16]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Origin:
    """What features are of: the `layer` of a `net` (its weights' identity), shown the images of a dataset's split."""

    net: str
    layer: str
    dataset: str
    split: str


class Features:
    """An open file of features; Failure where it is none, or a block of it is damaged.

    `count` rows of `width` values in blocks of `block` rows, their images' `labels` (n) int32, and their `origin`.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        with _reading(self.path) as file:
            if file.attrs.get("format") != FORM.encode() or int(file.attrs["version"]) != VERSION:
                raise Failure(f"{path} is not a file of features of this alexctl: make one with alexctl features")
            self.origin = Origin(**{field.name: text(file, field.name) for field in fields(Origin)})
            self.labels: NDArray[np.int32] = guarded(file, "labels")
            self.count, self.width = map(int, file["features"].shape)
            self.block = int(file.attrs["block"])
            self._offset: int = file["features"].id.get_offset()
            self._checksums: NDArray[np.uint32] = file["checksums"][()]
            self._checksums_offset: int = file["checksums"].id.get_offset()
        self._verified = np.zeros(len(self._checksums), np.bool_)

    @property
    def identity(self) -> str:
        """Of its origin, labels and rows: the same for no others."""
        known = blake2b(repr((self.origin, self.count, self.width, self.block)).encode(), digest_size=8)
        known.update(self.labels.tobytes())
        known.update(self._checksums.tobytes())
        return known.hexdigest()

    def blocks(self) -> Iterator[tuple[int, Halves]]:
        """Each block's first row, and its rows: one array, which the next block overwrites."""
        buffer = np.empty((self.block, self.width), np.float16)
        with _reading_bytes(self.path) as file:
            for number in range(len(self._checksums)):
                yield number * self.block, self._read(file, number, buffer)

    def rows(self, indices: NDArray[np.integer[Any]]) -> Halves:
        """(k, width): rows by their numbers, in the order asked for."""
        found = np.empty((len(indices), self.width), np.float16)
        with _reading_bytes(self.path) as file:
            for number in np.unique(np.asarray(indices) // self.block):
                if not self._verified[number]:
                    self._read(file, int(number), np.empty((self.block, self.width), np.float16))
            for place, index in enumerate(indices):
                file.seek(self._offset + int(index) * self.width * 2)
                _fill(file, found[place])
        return found

    def all(self) -> Halves:
        """All rows at once; for files that are known to be small."""
        return np.concatenate([block.copy() for _, block in self.blocks()])

    def _read(self, file: io.FileIO, number: int, buffer: Halves) -> Halves:
        rows = buffer[: min(self.block, self.count - number * self.block)]
        file.seek(self._offset + number * self.block * self.width * 2)
        _fill(file, rows)
        if _checksum(rows) != self._checksums[number]:
            raise Failure(
                f"{self.path}: the rows from {number * self.block} on are damaged: delete it and make it again with "
                "alexctl features"
            )
        self._verified[number] = True
        return rows


def singles(halves: Halves) -> Floats:
    """The same values in float32, five times as fast as NumPy's cast, which takes them one by one.

    Shifted to its place the exponent is too small by 112; the product makes it right, of subnormal ones too.
    """
    bits = halves.view(np.int16).astype(np.int32)
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, SIGN_EXPONENT_FRACTION, out=bits)
    values = bits.view(np.float32)
    values *= np.float32(2.0**112)
    return values


def write(
    path: Path,
    origin: Origin,
    labels: NDArray[np.int32],
    width: int,
    extract: Callable[[range], Floats],
    advance: Callable[[int], None] = lambda count: None,
) -> bool:
    """Write the features of all images (`labels` has one each), made by `extract` (rows, width) a block at a time.

    Returns whether anything was left to make. Raises Failure where the path holds features of another origin, a value
    is not finite in float16, or the disk refuses; what was written is then kept, and gone on with by the next call.
    """
    path = Path(path)
    if path.exists():
        if (held := Features(path)).origin != origin or held.count != len(labels):
            raise Failure(f"{path} holds features of something else: give another --out, or delete it")
        advance(len(labels))
        return False
    part = path.with_name(f"{PART}{_name(origin, labels, width)}-{path.name}")
    with writing(path):
        for other in path.parent.glob(f"{PART}*-{path.name}"):
            if other != part:
                other.unlink()
        begun = _begun(part, origin, labels, width)
        with part.open("r+b", buffering=0) as file:
            _fill_part(file, begun, extract, advance)
        take_name(part, path)
    return True


def _begun(part: Path, origin: Origin, labels: NDArray[np.int32], width: int) -> Features:
    """The part as an earlier call left it, or a new one."""
    if part.exists():
        try:
            return Features(part)
        except Damaged:
            part.unlink()
    _begin(part, origin, labels, width)
    return Features(part)


def _begin(part: Path, origin: Origin, labels: NDArray[np.int32], width: int) -> None:
    """A part with everything but its blocks, made whole itself: a kill in between leaves none."""
    block = max(1, BLOCK_BYTES // (2 * width))
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v110", "v110")) as head:
        head.attrs["format"], head.attrs["version"] = np.bytes_(FORM), np.uint32(VERSION)
        head.attrs["block"] = np.uint32(block)
        for name, value in asdict(origin).items():
            head.attrs[name] = np.bytes_(value)
        put(head, "labels", labels)
        checksums = np.full(-(-len(labels) // block), ABSENT, np.uint32)
        head.create_dataset("checksums", data=checksums, track_times=False)
        shape = (len(labels), width)
        features = head.create_dataset("features", shape, np.float16, fill_time="never", track_times=False)
        features[0, 0] = 0  # now its place is taken, behind all else
        offset: int = features.id.get_offset()
    with whole_file(part) as fresh, fresh.open("wb") as file:
        file.write(buffer.getvalue()[:offset])
        file.truncate(offset + len(labels) * width * 2)


def _fill_part(
    file: io.FileIO, part: Features, extract: Callable[[range], Floats], advance: Callable[[int], None]
) -> None:
    """Make every block that is absent or not whole."""
    buffer = np.empty((part.block, part.width), np.float16)
    for number in range(len(part._checksums)):
        images = range(number * part.block, min((number + 1) * part.block, part.count))
        if not _is_whole(part, file, number, buffer):
            rows = _halves(extract(images), part.path)
            _pour(file, part._offset + images.start * part.width * 2, rows)
            _pour(file, part._checksums_offset + 4 * number, np.array([_checksum(rows)], np.uint32))
        advance(len(images))


def _is_whole(part: Features, file: io.FileIO, number: int, buffer: Halves) -> bool:
    if part._checksums[number] == ABSENT:
        return False
    try:
        part._read(file, number, buffer)
    except Failure:
        return False
    return True


def _halves(rows: Floats, path: Path) -> Halves:
    if not (np.abs(rows) <= FINITE).all():  # also where one is not a number
        raise Failure(
            f"{path}: a feature is above {FINITE:g} or not finite; has this run diverged? take an earlier one"
        )
    return np.ascontiguousarray(rows, np.float16)


def _checksum(rows: Halves) -> int:
    return zlib.crc32(rows.data) or 1


def _name(origin: Origin, labels: NDArray[np.int32], width: int) -> str:
    """Eight digits that tell parts of other features from these."""
    known = repr((origin, len(labels), zlib.crc32(labels.tobytes()), width, BLOCK_BYTES))
    return blake2b(known.encode(), digest_size=4).hexdigest()


def _fill(file: io.FileIO, rows: Halves) -> None:
    """Read into a whole array."""
    left = rows.data.cast("B")
    while left:
        read = file.readinto(left)
        if not read:
            raise Failure(f"{file.name} is cut short: delete it and make it again with alexctl features")
        left = left[read:]


def _pour(file: io.FileIO, offset: int, values: NDArray[Any]) -> None:
    """Write a whole array at a place."""
    file.seek(offset)
    left = values.data.cast("B")
    while left:
        left = left[file.write(left) :]


@contextmanager
def _reading_bytes(path: Path) -> Iterator[io.FileIO]:
    with _mishaps(path), path.open("rb", buffering=0) as file:
        yield file


@contextmanager
def _reading(path: Path) -> Iterator[h5py.File]:
    with _mishaps(path), h5py.File(path, "r", locking=False) as file:
        yield file


@contextmanager
def _mishaps(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong with a file into a Failure that names it: Damaged, unless the system refuses it."""
    try:
        yield
    except (Failure, MemoryError):
        raise
    except FileNotFoundError:
        raise Failure(f"{path} is missing: make it with alexctl features RUN --out {path}") from None
    except Exception as error:  # h5py answers damage with whatever exception comes first
        if refusal := withheld(error):
            raise Failure(f"{path} cannot be read ({refusal}): fix that and run the same command again") from None
        raise Damaged(
            f"{path} cannot be read or is damaged ({reason(error)}): delete it and make it again with alexctl features"
        ) from None
