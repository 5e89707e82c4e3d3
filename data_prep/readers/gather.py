"""From images found in archives, tables and lists to the entries of a split, alike for every form.

An image is called as in a folder per class, "train/n01440764/n01440764_10026.JPEG", whatever it lies in,
and the entries are sorted by that. The seeded choices follow from the names alone, so the same images give
the same splits and the same order in every form.
"""

from collections.abc import Iterable
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from alexnet.errors import Failure
from data_prep.readers.base import Entry


class Found(NamedTuple):
    """An image with its class's ID and the name of its file; the rest as in Entry."""

    id: str
    base: str
    file: str
    start: int
    length: int


def entries_of(split: str, found: Iterable[Found], labels: dict[str, int], notes: list[str]) -> list[Entry]:
    """The entries of a split in order; images of classes that are not in `labels` are left out and told."""
    entries, strange = [], 0
    for id_, base, file, start, length in found:
        label = labels.get(id_)
        if label is None:
            strange += 1
        else:
            entries.append(Entry(f"{split}/{id_}/{base}", label, file, start, length))
    if strange:
        notes.append(f"{split}: {strange} images are of classes that train lacks and are left out")
    entries.sort()  # the names differ, so nothing else is compared
    for entry, after in pairwise(entries):
        if entry.name == after.name:
            raise Failure(f"{entry.name} is there twice, in {entry.file} and in {after.file}: get them again")
    return entries


def content_of(splits: dict[str, list[Entry]]) -> str:
    """A digest of all images' names and lengths."""
    digest = blake2b(digest_size=16)
    for entries in splits.values():
        for entry in entries:
            digest.update(f"{entry.name}\0{entry.length}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def stamp_of(paths: Iterable[Path]) -> str:
    """A digest of when files were written, and their sizes."""
    digest = blake2b(digest_size=16)
    for path in paths:
        status = path.stat()
        digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
