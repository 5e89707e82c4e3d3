"""A folder for each class, with or without split folders above them.

SOURCE/train/<class>/**/*.jpg, SOURCE/val/<class>/..., SOURCE/test/<class>/...
SOURCE/<class>/**/*.jpg

A split's folder may also be called Training, valid, test_set and the like, and hold a folder of its own name, as some
archives do, with the classes in that. A class that is written with composed
accents here and decomposed ones there is one.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from pathlib import Path

from alexnet.data.decode import SUFFIXES
from alexnet.data.format import RECORD, ClassInfo
from alexnet.errors import Failure
from alexnet.texts import composed, is_beside, printable
from data_prep.readers.base import Entry, Form, Listing

SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
SET_AT_END = re.compile(r"[ _-]?(set|data|images)$")
LIKE_A_SPLIT = re.compile(r"(?<![a-z])(train|val|dev|eval|test|fold|split)(ing|id|idation)?(?![a-z])")

Files = list[tuple[str, int, int]]  # the path in the source, the length, when it was written


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
    ids: list[str] = []
    splits = {}
    content, stamp = blake2b(digest_size=16), blake2b(digest_size=16)
    for split, root in roots.items():
        found = _classes_in(source, root, ignored, notes)
        if split == "train":
            ids = sorted(found)
            _refuse_a_level_too_high(root, ids, source)
        elif not found:
            notes.append(f"{root} has no class folders with images and is left out")
            continue
        elif strangers := sorted(set(found) - set(ids)):
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
    classes = [ClassInfo(index, name, printable(name)) for index, name in enumerate(ids)]
    return Listing(classes, "sorted", splits, FolderFetch(source), content.hexdigest(), stamp.hexdigest(), notes)


def _classes_in(source: Path, root: Path, ignored: Counter[str], notes: list[str]) -> dict[str, Files]:
    """The files of each class that has any, by its name with composed accents, sorted."""
    above = "" if root == source else f"{root.relative_to(source).as_posix()}/"
    found: dict[str, Files] = defaultdict(list)
    for name in folder_names(root):
        found[composed(name)] += image_files(source, above + name, ignored)
    if empty := sorted(name for name, files in found.items() if not files):
        notes.append(f"{len(empty)} folders in {root} hold no images and are left out: {empty[0]}, ...")
    if loose := loose_images(root):
        notes.append(f"{root} holds {loose} images beside its class folders, which are left out")
    return {name: sorted(files) for name, files in found.items() if files}


def _split_roots(source: Path) -> tuple[dict[str, Path], list[str]]:
    """Where each split's class folders lie; a `train` without any is a class of that name, among others."""
    here = folder_names(source)
    by_split: dict[str, list[str]] = defaultdict(list)
    for name in sorted(here):
        by_split[split_of(name)].append(name)
    if not any(folder_names(source / name) for name in by_split["train"]):
        _refuse_splits_as_classes(source, here)
        return {"train": source}, []
    roots = {}
    for split in SPLIT_NAMES:
        present = by_split[split]
        if len(present) > 1:
            raise Failure(f"{source} has both {present[0]} and {present[1]}: keep the one to be {split}")
        if present:
            roots[split] = _inner(source / present[0])
    return roots, [f"{source / name} is not a split and is left out" for name in by_split[""]]


def _inner(root: Path) -> Path:
    """The folder in which a split's classes lie: itself, or the one folder in it where that has its name."""
    names = folder_names(root)
    repeated = len(names) == 1 and names[0].casefold() == root.name.casefold()
    return root / names[0] if repeated and not loose_images(root) else root


def split_of(name: str) -> str:
    """The split that a folder or a set of shards called so is, whatever its case; "" where it is none."""
    word = SET_AT_END.sub("", name.casefold())
    return next((split for split, names in SPLIT_NAMES.items() if word in names), "")


def _like_a_split(name: str) -> str:
    """The word for a split that is in a folder's name; "" where there is none."""
    found = LIKE_A_SPLIT.search(name.casefold())
    return split_of(name) or (found[1] if found else "")


def _refuse_splits_as_classes(source: Path, here: list[str]) -> None:
    """Failure where folders that would become the classes are splits: a net learns those with a fine error rate."""
    words = {name: word for name in sorted(here) if (word := _like_a_split(name))}
    flat = {name: loose_images(source / name) for name in words if split_of(name) == "train"}
    for name, loose in flat.items():
        if loose and len(words) == len(here):
            raise Failure(f"{source / name}: its {loose} images lie in no class folders: {advice(source / name)}")
    below = {name: set(folder_names(_inner(source / name))) for name in words}
    for one, other in combinations(words, 2):
        shared = sorted(below[one] & below[other])
        if shared or (len(words) == len(here) and words[one] != words[other]):
            both = f", both with a folder {shared[0]}" if shared else ""
            raise Failure(
                f"{source} holds {one} and {other}{both}: they are splits, not classes: call them train, val and test"
            )
    inside = ({split_of(name) for name in folder_names(source / each)} - {""} for each in here)
    if len(here) > 1 and all("train" in splits and len(splits) > 1 for splits in inside):
        raise Failure(
            f"{source / here[0]} and the other classes each hold their splits: put the splits above the classes, "
            f"{source / 'train' / here[0]} and so on"
        )


def _refuse_a_level_too_high(root: Path, ids: list[str], source: Path) -> None:
    if len(ids) == 1 and folder_names(root / ids[0]):
        advice = f"give {root / ids[0]}, where the classes lie" if root == source else "move what is in that up into it"
        raise Failure(f"{root} holds one folder, {ids[0]}: {advice}")


def advice(root: Path) -> str:
    """What to do with images that lie in no class folders."""
    return f"make a folder in it for each class, such as {root / 'cat'}, and move the images there"


def folder_names(root: Path) -> list[str]:
    """The folders in `root` that may hold images: not what systems put there, nor a dataset that prep has made."""
    if not root.is_dir():
        return []
    with os.scandir(root) as items:
        names = [item.name for item in items if not is_beside(item.name) and item.is_dir()]
    return [name for name in names if not (root / name / RECORD).exists()]


def loose_images(root: Path) -> int:
    """How many images lie in a folder itself."""
    with os.scandir(root) as items:
        return sum(_is_image(item.name) for item in items if not is_beside(item.name) and item.is_file())


def image_files(source: Path, folder: str, ignored: Counter[str]) -> Iterator[tuple[str, int, int]]:
    """Each image file below `folder`, a path in `source`: its path there, its length, when it was written.

    Links are followed, but into no folder that holds itself. Strings, not Paths: there may be millions.
    """
    top = str(source / "_")[:-1]
    stack = [(folder, {os.path.realpath(top + folder)})]
    while stack:
        folder, above = stack.pop()
        with os.scandir(top + folder) as found:
            items = [item for item in found if not is_beside(item.name)]
        if any(item.name == RECORD for item in items):
            continue  # a dataset that prep has made
        for item in items:
            file = f"{folder}/{item.name}"
            if item.is_dir():
                real = os.path.realpath(item.path)
                if real not in above:
                    stack.append((file, above | {real}))
            elif not _is_image(item.name):
                _, dot, kind = item.name.lower().rpartition(".")
                ignored[f".{kind}" if dot else ""] += 1
            elif item.is_file():
                status = item.stat()
                yield file, status.st_size, status.st_mtime_ns
            else:
                raise Failure(f"{item.path} is not a file that can be read: restore or remove it")


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


FORM = Form("folders", "a folder for each class, in train/, val/ and test/ or without", recognises, listing)
