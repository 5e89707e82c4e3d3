"""Tar files read where they lie: an index made from their headers alone, and members by their place.

A tar is a chain of 512-byte headers, each followed by its file, in blocks of 512. Understood are POSIX
ustar, its pax successor (path, size) and GNU's long names and large sizes; a hard link is the file that it names.
A tar within a tar is a stretch of the outer one, so the images of ImageNet's tars of tars have a place in the outer
file. Nothing is unpacked, so it does not matter where a member's path leads.
"""

import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from alexnet.console import progress
from alexnet.errors import Failure
from alexnet.texts import is_beside
from data_prep.readers.base import Entry

BLOCK = 512
ZEROS = bytes(BLOCK)
LONGEST_TEXT = 2**20  # a name, or the attributes that macOS adds to a file
THREADS = 8  # headers lie far apart: on a disk it is the waiting that takes time
TARS_AT_ONCE = 64
OPEN_FILES = 64
ADLER = 65521  # adler32's low half is 1 + the sum of the bytes, modulo this: ten times as fast as sum()

FILE, HARD_LINK, LONG_NAME, PAX, OTHER_TEXT = b"0\x007", b"1", b"L", b"x", b"gK"


class Member(NamedTuple):
    """A file in a tar: its path there, and where in the tar its bytes lie."""

    name: str
    start: int
    length: int

    @property
    def base(self) -> str:
        """Its name without folders."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True)
class PlaceFetch:
    """Reads an entry's `length` bytes from `start` of its file; `stamp` tells files of one name apart."""

    source: Path
    stamp: str

    def __call__(self, entry: Entry) -> bytes:
        content = os.pread(_opened(self.source / entry.file, self.stamp).fileno(), entry.length, entry.start)
        if len(content) != entry.length:
            raise Failure(f"{self.source / entry.file} was cut short since it was listed: get it again")
        return content


def members(path: Path) -> list[Member]:
    """The files in a tar, in its order; Failure where it is damaged or cut short."""
    with path.open("rb", buffering=0) as file:
        return list(_walk(file.fileno(), path, 0, os.fstat(file.fileno()).st_size))


def nested(path: Path) -> Iterator[tuple[Member, list[Member]]]:
    """Each tar in a tar, with its own files placed in the outer one; Failure as `members`."""
    outer = [member for member in members(path) if member.name.endswith(".tar")]
    with path.open("rb", buffering=0) as file, ThreadPoolExecutor(THREADS) as pool:

        def files_of(tar: Member) -> list[Member]:
            return list(_walk(file.fileno(), path, tar.start, tar.start + tar.length))

        with progress("index", len(outer), unit="tars") as advance:
            for first in range(0, len(outer), TARS_AT_ONCE):  # more would only be held in memory
                tars = outer[first : first + TARS_AT_ONCE]
                yield from zip(tars, pool.map(files_of, tars), strict=True)
                advance(len(tars))


def first_member(path: Path) -> Member | None:
    """A tar's first file; None where it has none or is no tar."""
    with suppress(Failure, OSError), path.open("rb", buffering=0) as file:
        return next(_walk(file.fileno(), path, 0, os.fstat(file.fileno()).st_size), None)
    return None


def _walk(handle: int, path: Path, place: int, end: int) -> Iterator[Member]:
    """The files of the tar from `place` up to its end mark, which must come before `end`."""
    name, size = "", -1  # as told by a header of its own, for the next file
    places: dict[str, tuple[int, int]] = {}
    while True:
        head = os.pread(handle, BLOCK, place) if place + BLOCK <= end else b""
        if len(head) < BLOCK:
            raise Failure(f"{path} is cut short: a tar in it ends at byte {end} without its end mark: get it again")
        if head == ZEROS:
            return
        kind, body = head[156:157], place + BLOCK
        try:
            length = _checked_length(head)
            if kind in FILE and size >= 0:
                length = size
            if kind in FILE or kind in LONG_NAME + PAX + OTHER_TEXT:
                if body + length > end:
                    missing = body + length - end
                    raise Failure(f"{path} is cut short: {missing} bytes are missing after byte {end}: get it again")
                place = body + -(-length // BLOCK) * BLOCK
            else:  # a folder or a link: nothing follows
                place = body
            if kind == LONG_NAME:
                name = _text(_small(handle, body, length).rstrip(b"\0"))
            elif kind == PAX:
                name, size = _pax(_small(handle, body, length), name, size)
            elif kind not in OTHER_TEXT:
                name = name or _name(head)
                if kind in FILE:
                    places[name] = body, length
                elif kind == HARD_LINK and (linked := places.get(_text(head[157:257].rstrip(b"\0")))):
                    places[name] = linked
                if name in places and kind in FILE + HARD_LINK and not _is_beside(name):
                    yield Member(name, *places[name])
                name, size = "", -1
        except (ValueError, IndexError):
            raise Failure(f"{path} is damaged: there is no tar header at byte {body - BLOCK}: get it again") from None


def _is_beside(name: str) -> bool:
    return any(is_beside(part) for part in name.split("/") if part.strip("."))


def _checked_length(head: bytes) -> int:
    """The length that a header states, once its checksum agrees."""
    stated = _octal(head[148:156])  # of the header's bytes, with spaces for these eight
    if zlib.adler32(head) & 0xFFFF != (1 + stated - 8 * 32 + sum(head[148:156])) % ADLER:
        raise ValueError("the checksum does not agree")
    if head[124] == 0x80:
        return int.from_bytes(head[125:136])
    return _octal(head[124:136])


def _octal(field: bytes) -> int:
    number = int(field.rstrip(b"\0 ") or b"0", 8)
    if number < 0:
        raise ValueError("no number is negative")
    return number


def _name(head: bytes) -> str:
    name = head[:100].rstrip(b"\0")
    if head[257:263] == b"ustar\0" and head[345]:
        name = head[345:500].rstrip(b"\0") + b"/" + name
    return _text(name)


def _pax(content: bytes, name: str, size: int) -> tuple[str, int]:
    """Records "LENGTH KEY=VALUE\\n", of which path and size matter here."""
    while content:
        length = content.partition(b" ")[0]
        record, content = content[: int(length)], content[int(length) :]
        key, _, value = record[len(length) + 1 : -1].partition(b"=")
        if not record.endswith(b"\n"):
            raise ValueError("no pax record")
        if key == b"path":
            name = _text(value)
        elif key == b"size":
            size = int(value)
    return name, size


def _small(handle: int, place: int, length: int) -> bytes:
    if length > LONGEST_TEXT:
        raise ValueError("no text is so long")
    return os.pread(handle, length, place)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


@lru_cache(maxsize=OPEN_FILES)
def _opened(path: Path, stamp: str) -> FileIO:
    return path.open("rb", buffering=0)
