"""Kaggle's "ImageNet Object Localization Challenge": ILSVRC-2012 unpacked, val's classes in a table.

    ILSVRC/Data/CLS-LOC/train/<wnid>/*.JPEG  ILSVRC/Data/CLS-LOC/val/*.JPEG
    LOC_val_solution.csv  LOC_synset_mapping.txt

The test images have no labels and are left out.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from alexnet.data.format import ClassInfo
from alexnet.errors import Failure, reason
from data_prep import published
from data_prep.readers.base import Form, Listing
from data_prep.readers.devkit import WNID
from data_prep.readers.folders import FolderFetch, folder_names, image_files
from data_prep.readers.gather import Found, content_of, entries_of

IMAGES = "ILSVRC/Data/CLS-LOC"
SOLUTION = "LOC_val_solution.csv"


def recognises(source: Path) -> bool:
    """Whether the train folder is where Kaggle's archive puts it, or this is the folder of the images itself."""
    return (source / IMAGES / "train").is_dir() or source.resolve().as_posix().endswith(f"/{IMAGES}")


def listing(source: Path) -> Listing:
    """List train, and val by the table; Failure where an image and the table do not fit."""
    if not (source / IMAGES / "train").is_dir():
        raise Failure(f"{source} lacks {IMAGES}/train: give the folder in which ILSVRC and {SOLUTION} lie")
    ids = sorted(folder_names(source / IMAGES / "train"))
    if strange := [name for name in ids if not WNID.fullmatch(name)]:
        raise Failure(f"{source / IMAGES / 'train' / strange[0]} is no WNID such as n01440764: move it away")
    labels, notes, ignored = {wnid: label for label, wnid in enumerate(ids)}, list[str](), Counter[str]()
    stamp = blake2b(digest_size=16)
    others = {}
    if (source / IMAGES / "val").is_dir():  # first: what is missing shows here, and train takes long
        truth = _solution(source / SOLUTION)
        val = list(_files(source, "val", truth, ignored, stamp))
        if len(val) != len(truth):
            raise Failure(
                f"{source / IMAGES / 'val'} holds {len(val)} images, {SOLUTION} lists {len(truth)}: get both anew"
            )
        others["val"] = entries_of("val", val, labels, notes)
    train = (found for wnid in ids for found in _files(source, f"train/{wnid}", None, ignored, stamp))
    splits = {"train": entries_of("train", train, labels, notes)} | others
    if (source / IMAGES / "test").is_dir():
        notes.append("test has no labels and is left out")
    if ignored:
        notes.append(f"{ignored.total()} files are not images and are left out")
    for split, entries in splits.items():
        counts = Counter(ids[entry.label] for entry in entries)
        notes.append(published.compare("ilsvrc2012", split, counts))
    classes = [ClassInfo(label, wnid, wnid) for label, wnid in enumerate(ids)]
    return Listing(classes, "wnid", splits, FolderFetch(source), content_of(splits), stamp.hexdigest(), notes)


def _files(
    source: Path, folder: str, truth: dict[str, str] | None, ignored: Counter[str], stamp: blake2b
) -> Iterator[Found]:
    """The images in a folder, with the class that `truth` says by name, or else with the folder's."""
    wnid = folder.rpartition("/")[2]
    for file, length, written in image_files(source, f"{IMAGES}/{folder}", ignored):
        stamp.update(f"{file}\0{written}\n".encode("utf-8", "surrogateescape"))
        base = file.rpartition("/")[2]
        known = wnid if truth is None else truth.get(base.rpartition(".")[0])
        if known is None:
            raise Failure(f"{source / file} is not in {SOLUTION}: remove it, or get {SOLUTION} anew")
        yield Found(known, base, file, 0, length)


def _solution(path: Path) -> dict[str, str]:
    """The WNID of each val image: rows "ILSVRC2012_val_00000001,n01751748 111 108 431 323 ..."."""
    if not path.is_file():
        raise Failure(f"{path.parent} lacks {path.name}, which tells the classes of val: put it there")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            truth = {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(file)}
        if strange := [wnid for wnid in truth.values() if not WNID.fullmatch(wnid)]:
            raise ValueError(f"{strange[0]} is no WNID")
    except (ValueError, KeyError, IndexError, AttributeError, csv.Error) as error:
        raise Failure(f"{path} is damaged ({reason(error)}): get it anew") from None
    return truth


FORM = Form("kaggle", f"{IMAGES}/train and val with {SOLUTION}", recognises, listing)
