"""Parquet shards, as Hugging Face holds ImageNet and most sets of images.

    data/train-00000-of-00294.parquet ...  validation-00000-of-00014.parquet ...  test-...

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
from alexnet.data.format import ClassInfo
from alexnet.errors import Failure, reason
from data_prep import published
from data_prep.readers.archive import PlaceFetch
from data_prep.readers.base import Entry, Fetch, Form, Listing
from data_prep.readers.gather import Found, content_of, entries_of, stamp_of

PREFIXES = {"train": "train", "val": "validation", "test": "test"}
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
        raise Failure(f"{self.source / entry.file} has no row {entry.start}: get it anew")


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
    return bool(_files(source, "train"))


def listing(source: Path) -> Listing:
    """List the rows that have a label; Failure where a shard is damaged, missing or of another form."""
    files = {split: _files(source, prefix) for split, prefix in PREFIXES.items()}
    notes: list[str] = []
    rows = {split: [_rows(source, path) for path in paths] for split, paths in files.items()}
    for split in list(rows):
        if not _labelled(split, rows[split], notes):
            del rows[split]
    if "train" not in rows:
        raise Failure(f"the shards of train in {source} have no image with a label: get them anew")
    wnids = _wnids(rows["train"])
    top = max(max(shard.labels, default=-1) for shards in rows.values() for shard in shards)
    if top >= MOST_CLASSES:
        raise Failure(f"{source} has a label {top}, there are {MOST_CLASSES} classes at the most: get it anew")
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


def _files(source: Path, prefix: str) -> list[Path]:
    """A split's shards in order; Failure where one is missing, or one is of another set."""
    for folder in FOLDERS:
        found = {path.name: path for path in (source / folder).glob(f"{prefix}-*-of-*.parquet")}
        if not found:
            continue
        count = min(found).removesuffix(".parquet").rpartition("-of-")[2]
        if not count.isdecimal() or len(count) > 6:
            raise Failure(f"{found[min(found)]} does not tell how many shards there are: move it away")
        wanted = [f"{prefix}-{number:0{len(count)}d}-of-{count}.parquet" for number in range(int(count))]
        if missing := sorted(set(wanted) - set(found)):
            raise Failure(f"{source / folder} lacks {missing[0]}: put it there")
        if others := sorted(set(found) - set(wanted)):
            raise Failure(f"{source / folder} holds {others[0]} beside {wanted[0]}: keep the shards of one set")
        return [found[name] for name in wanted]
    return []


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
        raise Failure(f"{path} cannot be read ({reason(error)[:200]}): get it anew") from None


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


FORM = Form("parquet", "train-00000-of-*.parquet and its fellows, with image and label", recognises, listing)
