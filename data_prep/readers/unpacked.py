"""ImageNet unpacked: a folder for each WNID in train, all images of val in one folder and their classes in a table."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from alexnet.data.format import ClassInfo
from alexnet.errors import Failure, reason
from alexnet.texts import decoded
from data_prep import published
from data_prep.readers.base import Listing
from data_prep.readers.devkit import WNID
from data_prep.readers.folders import FolderFetch, folder_names, image_files
from data_prep.readers.gather import Found, content_of, entries_of


@dataclass(frozen=True)
class Unpacked:
    """Where the images and the table of val lie in a source.

    `rows` makes of the table's text the WNID of each image by its file's name without the suffix; `dataset` is its
    name in `published`.
    """

    dataset: str
    images: str
    table: str
    rows: Callable[[str], dict[str, str]]

    def listing(self, source: Path) -> Listing:
        """List train, and val by the table; Failure where an image and the table do not fit."""
        images, table = source / self.images, source / self.table
        if not (images / "train").is_dir():
            raise Failure(f"{images} lacks train: give the folder of which {self.table} is the table")
        ids = sorted(folder_names(images / "train"))
        if strange := [name for name in ids if not WNID.fullmatch(name)]:
            raise Failure(f"{images / 'train' / strange[0]} is not a WNID such as n01440764: move it away")
        labels, notes, ignored = {wnid: label for label, wnid in enumerate(ids)}, list[str](), Counter[str]()
        stamp = blake2b(digest_size=16)
        others = {}
        if (images / "val").is_dir():  # first: what is missing shows here, and train takes long
            truth = self._truth(table)
            val = list(self._files(source, "val", truth, ignored, stamp))
            if len(val) != len(truth):
                raise Failure(
                    f"{images / 'val'} holds {len(val)} images, {table.name} lists {len(truth)}: get both again"
                )
            others["val"] = entries_of("val", val, labels, notes)
        train = (found for wnid in ids for found in self._files(source, f"train/{wnid}", None, ignored, stamp))
        splits = {"train": entries_of("train", train, labels, notes)} | others
        if (images / "test").is_dir():
            notes.append("test has no labels and is left out")
        if ignored:
            notes.append(f"{ignored.total()} files are not images and are left out")
        for split, entries in splits.items():
            counts = Counter(ids[entry.label] for entry in entries)
            notes.append(published.compare(self.dataset, split, counts))
        classes = [ClassInfo(label, wnid, wnid) for label, wnid in enumerate(ids)]
        return Listing(classes, "wnid", splits, FolderFetch(source), content_of(splits), stamp.hexdigest(), notes)

    def _files(
        self, source: Path, folder: str, truth: dict[str, str] | None, ignored: Counter[str], stamp: blake2b
    ) -> Iterator[Found]:
        """The images in a folder, with the class that `truth` says by name, or else with the folder's."""
        wnid, table = folder.rpartition("/")[2], source / self.table
        for file, length, written in image_files(source, f"{self.images}/{folder}".lstrip("/"), ignored):
            stamp.update(f"{file}\0{written}\n".encode("utf-8", "surrogateescape"))
            base = file.rpartition("/")[2]
            known = wnid if truth is None else truth.get(base.rpartition(".")[0])
            if known is None:
                raise Failure(f"{source / file} is not in {table.name}: remove it, or get {table.name} again")
            yield Found(known, base, file, 0, length)

    def _truth(self, table: Path) -> dict[str, str]:
        """The WNID of each val image by its file's name without the suffix."""
        if not table.is_file():
            raise Failure(f"{table.parent} lacks {table.name}, which tells the classes of val: put it there")
        try:
            truth = self.rows(decoded(table.read_bytes()))
            if strange := [wnid for wnid in truth.values() if not WNID.fullmatch(wnid)]:
                raise ValueError(f"{strange[0]} is not a WNID")
        except (ValueError, KeyError, IndexError, AttributeError, csv.Error) as error:
            raise Failure(f"{table} is damaged ({reason(error)}): get it again") from None
        return truth
