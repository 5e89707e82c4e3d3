"""Parquet shards, as Hugging Face holds ImageNet and most sets of images.

    data/train-00000-of-00294.parquet ...  validation-00000-of-00014.parquet ...  test-...
    data/train-00000-of-00001-1f0c2a9b7d3e4455.parquet ...  valid-...

Columns `image` (a struct of `bytes` and `path`) and `label`. Where every path of train ends in its class's
WNID, "n01440764_10026_n01440764.JPEG", the classes are those and the images are called as in the other forms.

A row can only be read with its whole group, and the seeded order takes the rows from everywhere; so what is
to be read is first copied out, in the order of the files.
"""

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alexnet.console import progress
from alexnet.data.format import SPLITS, ClassInfo
from alexnet.errors import Failure, reason
from alexnet.texts import is_beside
from data_prep import published
from data_prep.readers.archive import PlaceFetch
from data_prep.readers.base import Entry, Fetch, Form, Listing
from data_prep.readers.folders import split_of
from data_prep.readers.gather import Found, content_of, entries_of, stamp_of

SHARD = re.compile(r".+-(?P<number>\d+)-of-(?P<count>\d{1,6})(-[0-9a-f]+)?\.parquet")  # the last is a fingerprint
FOLDERS = ("data", ".")
MOST_CLASSES = 2**20
WNID_AT_END = re.compile(r"_?(n\d{8})(\.[^./]*)$")  # and the suffix


class Rows(NamedTuple):
    """A shard's file, and for each row the path that the image had, and the label, -1 where there is none."""

    file: str
    paths: list[str]
    labels: list[int]


@dataclass(frozen=True)
class GroupFetch:
    """Reads the image of row `start` of its file, and the rest of its group with it."""

    source: Path

    def __call__(self, entry: Entry) -> bytes:
        for row, content in _contents(self.source / entry.file, [entry.start]):
            if row == entry.start:
                return content
        raise Failure(f"{self.source / entry.file} has no row {entry.start}: get it again")


@dataclass(frozen=True)
class CopyFetch:
    """Reads the image of row `start` of its file from the copy made at `stamp`."""

    folder: Path
    stamp: str

    def __call__(self, entry: Entry) -> bytes:
        images, places = _copy_of(self.folder, entry.file)
        start, length = _index(places, self.stamp)[entry.start].tolist()
        return PlaceFetch(self.folder, self.stamp)(Entry(entry.name, entry.label, images.name, start, length))


def recognises(source: Path) -> bool:
    """Whether there are shards of train in `source` or its folder `data`."""
    return bool(_sets(source)[1])


def listing(source: Path) -> Listing:
    """List the rows that have a label; Failure where a shard is damaged, missing or of another form."""
    notes: list[str] = []
    files = _shards(source, notes)
    if not files:
        raise Failure(f"{source} holds no shards of train: put train-00000-of-*.parquet and the like there")
    rows = {split: [_rows(source, path) for path in paths] for split, paths in files.items()}
    for split in list(rows):
        if not _labelled(split, rows[split], notes):
            del rows[split]
    if "train" not in rows:
        raise Failure(f"the shards of train in {source} have no image with a label: get them again")
    wnids = _wnids(rows["train"])
    top = max(max(shard.labels, default=-1) for shards in rows.values() for shard in shards)
    if top >= MOST_CLASSES:
        raise Failure(f"{source} has a label {top}, there are {MOST_CLASSES} classes at the most: get it again")
    names = _names(files["train"][0])
    ids = wnids or {number: str(number) for number in range(max(len(names), top + 1))}
    order = sorted(ids, key=ids.__getitem__) if wnids else list(ids)
    called = {number: names[number] if number < len(names) else ids[number] for number in order}
    classes = [ClassInfo(label, ids[number], called[number]) for label, number in enumerate(order)]
    labels = {info.id: info.index for info in classes}
    splits = {split: entries_of(split, _found(held, ids, bool(wnids)), labels, notes) for split, held in rows.items()}
    for split in published.IMAGES["ilsvrc2012"]:
        if wnids and split in splits:
            counts = Counter(classes[entry.label].id for entry in splits[split])
            notes.append(published.compare("ilsvrc2012", split, counts))
    paths = [path for held in files.values() for path in held]
    sizes = content_of(splits) + "".join(f" {path.stat().st_size}" for path in paths)
    content, class_order = blake2b(sizes.encode(), digest_size=16).hexdigest(), "wnid" if wnids else "number"
    unpack = partial(_copied, source)
    return Listing(classes, class_order, splits, GroupFetch(source), content, stamp_of(paths), notes, unpack=unpack)


def _sets(source: Path) -> tuple[Path, dict[str, list[Path]]]:
    """The folder that holds shards of train, and all shards there by what their names begin with; else none."""
    for folder in (source / name for name in FOLDERS):
        sets: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.glob("*-of-*.parquet")):
            if not is_beside(path.name):
                sets[path.name.rpartition("-of-")[0].rpartition("-")[0]].append(path)
        if any(split_of(name) == "train" for name in sets):
            return folder, sets
    return source, {}


def _shards(source: Path, notes: list[str]) -> dict[str, list[Path]]:
    """The shards of each split in order; those of none are told. Failure where a split's are not one whole set."""
    folder, sets = _sets(source)
    notes += [
        f"{len(sets[name])} shards of {name} are of no split and are left out" for name in sets if not split_of(name)
    ]
    files = {}
    for split in SPLITS:
        names = [name for name in sets if split_of(name) == split]
        if len(names) > 1:
            raise Failure(f"{folder} has shards of {names[0]} and of {names[1]}: keep those to be {split}")
        if names:
            files[split] = _in_order(folder, names[0], sets[names[0]])
    return files


def _in_order(folder: Path, name: str, paths: list[Path]) -> list[Path]:
    """All shards of a set by their numbers."""
    first = SHARD.fullmatch(paths[0].name)
    if first is None:
        raise Failure(f"{paths[0]} does not tell how many shards there are: move it away")
    held: dict[int, Path] = {}
    for path in paths:
        shard = SHARD.fullmatch(path.name)
        if not shard or shard["count"] != first["count"] or int(shard["number"]) >= int(first["count"]):
            raise Failure(f"{folder} holds {path.name} beside {paths[0].name}: keep the shards of one set")
        if held.setdefault(int(shard["number"]), path) is not path:
            raise Failure(f"{folder} holds {path.name} beside {held[int(shard['number'])].name}: keep one of them")
    for number in range(int(first["count"])):
        if number not in held:
            lacking = f"{name}-{number:0{len(first['number'])}d}-of-{first['count']}{'-*' if first[3] else ''}.parquet"
            raise Failure(f"{folder} lacks {lacking}: put it there")
    return [held[number] for number in sorted(held)]


@contextmanager
def _table(path: Path) -> Iterator[Any]:
    """An open shard; every mishap inside becomes a Failure that names it."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise Failure("parquet shards need PyArrow: pip install 'alexnet-two-columns[parquet]'") from None
    try:
        with parquet.ParquetFile(path) as table:
            yield table
    except (Failure, MemoryError):
        raise
    except Exception as error:  # PyArrow answers damage with whatever exception comes first
        raise Failure(f"{path} cannot be read ({reason(error)[:200]}): get it again") from None


def _labelled(split: str, shards: list[Rows], notes: list[str]) -> bool:
    """Whether any image has a label; those that have none are told."""
    lacking = sum(shard.labels.count(-1) for shard in shards)
    if lacking:
        notes.append(f"{split}: {lacking} images have no label and are left out")
    return lacking < sum(len(shard.labels) for shard in shards)


def _rows(source: Path, path: Path) -> Rows:
    """A shard's rows, without their images."""
    with _table(path) as table:
        held = {column.path for column in map(table.schema.column, range(len(table.schema)))}
        if lacking := sorted({"image.bytes", "image.path", "label"} - held):
            raise Failure(f"{path} has no column {lacking[0]}, only {', '.join(sorted(held))}: it is of another form")
        columns = table.read(columns=["image.path", "label"]).flatten()
        paths = [name or "" for name in columns.column("image.path").to_pylist()]
        labels = [-1 if label is None else max(-1, int(label)) for label in columns.column("label").to_pylist()]
        return Rows(path.relative_to(source).as_posix(), paths, labels)


def _names(path: Path) -> list[str]:
    """The classes' names, which Hugging Face keeps in the schema; none where they are not there."""
    with _table(path) as table:
        try:
            facts = json.loads((table.schema_arrow.metadata or {})[b"huggingface"])
            return [str(name) for name in facts["info"]["features"]["label"]["names"]]
        except (KeyError, TypeError, ValueError):
            return []


def _wnids(shards: list[Rows]) -> dict[int, str]:
    """The WNID of each label, if all paths tell one and the same for a label; else nothing."""
    wnids: dict[int, str] = {}
    for _, paths, labels in shards:
        for path, label in zip(paths, labels, strict=True):
            found = WNID_AT_END.search(path) if label >= 0 else None
            if label >= 0 and (not found or wnids.setdefault(label, found[1]) != found[1]):
                return {}
    return wnids if len(set(wnids.values())) == len(wnids) else {}


def _found(shards: list[Rows], ids: dict[int, str], by_path: bool) -> Iterator[Found]:
    for file, paths, labels in shards:
        stem = Path(file).stem
        for row, (path, label) in enumerate(zip(paths, labels, strict=True)):
            if label >= 0:
                base = WNID_AT_END.sub(r"\2", path.rpartition("/")[2]) if by_path else f"{stem}-{row:06d}"
                yield Found(ids.get(label, ""), base, file, row, 0)


def _contents(path: Path, rows: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """The images in these rows, in the order of the file; a row without one gives no bytes."""
    first = 0
    with _table(path) as table:
        for group in range(table.num_row_groups):
            count = table.metadata.row_group(group).num_rows
            wanted = [row for row in range(first, first + count) if row in rows]
            if wanted:
                images = table.read_row_group(group, columns=["image.bytes"]).column("image")
                for row in wanted:
                    yield row, (images[row - first].as_py() or {}).get("bytes") or b""
            first += count


def _copied(source: Path, folder: Path, entries: Iterable[Entry]) -> Fetch:
    """Copy the entries' images into `folder`: for each shard one file of them, and one that says where each lies."""
    rows: dict[str, set[int]] = defaultdict(set)
    for entry in entries:
        rows[entry.file].add(entry.start)
    with progress("unpack", sum(map(len, rows.values()))) as advance:
        for file, wanted in sorted(rows.items()):
            with _table(source / file) as table:
                index = np.zeros((table.metadata.num_rows, 2), np.int64)
            images, places = _copy_of(folder, file)
            with images.open("wb") as copy:
                for row, content in _contents(source / file, wanted):
                    index[row] = copy.tell(), copy.write(content)
                    advance(1)
            np.save(places, index)
    return CopyFetch(folder, f"{time.time_ns()}")


def _copy_of(folder: Path, file: str) -> tuple[Path, Path]:
    return folder / f"{Path(file).stem}.images", folder / f"{Path(file).stem}.npy"


@cache
def _index(path: Path, stamp: str) -> NDArray[np.int64]:
    """For each row of a shard, where its image starts in the copy, and its length."""
    index: NDArray[np.int64] = np.load(path)
    return index


FORM = Form("parquet", "train-00000-of-*.parquet and the like, with image and label", recognises, listing)
