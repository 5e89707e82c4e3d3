"""A folder for each class, with or without split folders above them.

SOURCE/train/<class>/**/*.jpg, SOURCE/val/<class>/..., SOURCE/test/<class>/...
SOURCE/<class>/**/*.jpg
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from alexnet.data.format import ClassInfo
from alexnet.errors import Failure
from data_prep.readers.base import Entry, Form, Listing

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp")
SPLIT_FOLDERS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


@dataclass(frozen=True)
class FolderFetch:
    """Reads an entry's whole file; `length` is its size when it was listed."""

    source: Path

    def __call__(self, entry: Entry) -> bytes:
        return (self.source / entry.file).read_bytes()


def recognises(source: Path) -> bool:
    """Whether there are folders in `source`, one of them not hidden."""
    return bool(folder_names(source))


def listing(source: Path) -> Listing:
    """List the images of every split, sorted by class and name; the classes are train's, sorted."""
    roots, notes = _split_roots(source)
    ignored: Counter[str] = Counter()
    ids, splits = [], {}
    content, stamp = blake2b(digest_size=16), blake2b(digest_size=16)
    for split, root in roots.items():
        above = "" if root == source else f"{root.name}/"
        found = {name: sorted(image_files(source, above + name, ignored)) for name in folder_names(root)}
        empty = sorted(name for name, files in found.items() if not files)
        if empty:
            notes.append(f"{len(empty)} folders in {root} hold no images and are left out: {empty[0]}, ...")
        held = sorted(name for name, files in found.items() if files)
        if split == "train":
            ids = held
        elif not held:
            notes.append(f"{root} has no class folders with images and is left out")
            continue
        elif strangers := sorted(set(held) - set(ids)):
            raise Failure(
                f"{root} has {len(strangers)} classes that train lacks, the first: {strangers[0]}: "
                "rename or remove them"
            )
        entries = []
        for label, name in enumerate(ids):
            for file, length, written in found.get(name, ()):
                entries.append(Entry(file, label, file, 0, length))
                content.update(f"{file}\0{length}\n".encode("utf-8", "surrogateescape"))
                stamp.update(f"{written}\n".encode())
        splits[split] = entries
    if ignored:
        kinds = ", ".join(f"{suffix or 'no suffix'} {count}" for suffix, count in ignored.most_common(5))
        notes.append(f"{ignored.total()} files are not images and are left out: {kinds}")
    _refuse_a_level_too_high(source, ids)
    classes = [ClassInfo(index, name, name) for index, name in enumerate(ids)]
    return Listing(classes, "sorted", splits, FolderFetch(source), content.hexdigest(), stamp.hexdigest(), notes)


def _split_roots(source: Path) -> tuple[dict[str, Path], list[str]]:
    """Where each split's class folders lie; `train` alone with images in it is a class of that name."""
    here = folder_names(source)
    if not folder_names(source / "train"):
        return {"train": source}, []
    roots = {}
    for split, names in SPLIT_FOLDERS.items():
        present = [name for name in names if name in here]
        if len(present) > 1:
            raise Failure(f"{source} has both {present[0]} and {present[1]}: keep the one to be {split}")
        if present:
            roots[split] = source / present[0]
    other = sorted(set(here) - {root.name for root in roots.values()})
    return roots, [f"{source / name} is no split and is left out" for name in other]


def _refuse_a_level_too_high(source: Path, ids: list[str]) -> None:
    if len(ids) != 1:
        return
    for below in (source / ids[0], source / "train" / ids[0]):
        if folder_names(below):
            raise Failure(f"{source} holds one folder, {ids[0]}: give {below}, where the classes lie")


def folder_names(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    with os.scandir(root) as items:
        return [item.name for item in items if item.is_dir() and not item.name.startswith(".")]


def image_files(source: Path, folder: str, ignored: Counter[str]) -> Iterator[tuple[str, int, int]]:
    """Each image file below `folder`, a path in `source`: its path there, its length, when it was written.

    Links are followed, but into no folder that holds itself. Strings, not Paths: there may be millions.
    """
    top = str(source / "_")[:-1]
    stack = [(folder, {os.path.realpath(top + folder)})]
    while stack:
        folder, above = stack.pop()
        with os.scandir(top + folder) as items:
            for item in items:
                file = f"{folder}/{item.name}"
                _, dot, kind = item.name.lower().rpartition(".")
                if item.name.startswith("."):
                    continue
                if item.is_dir():
                    real = os.path.realpath(item.path)
                    if real not in above:
                        stack.append((file, above | {real}))
                elif not dot or f".{kind}" not in SUFFIXES:
                    ignored[f".{kind}" if dot else ""] += 1
                elif item.is_file():
                    status = item.stat()
                    yield file, status.st_size, status.st_mtime_ns
                else:
                    raise Failure(f"{item.path} is not a file that can be read: restore or remove it")


FORM = Form("folders", "a folder for each class, in train/, val/ and test/ or without", recognises, listing)
