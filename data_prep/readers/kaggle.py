"""Kaggle's "ImageNet Object Localization Challenge": ILSVRC-2012 unpacked, val's classes in a table.

    ILSVRC/Data/CLS-LOC/train/<wnid>/*.JPEG  ILSVRC/Data/CLS-LOC/val/*.JPEG
    LOC_val_solution.csv  LOC_synset_mapping.txt

The test images have no labels and are left out.
"""

import csv
import io
from pathlib import Path

from alexnet.errors import Failure
from data_prep.readers.base import Form, Listing
from data_prep.readers.unpacked import Unpacked

IMAGES = "ILSVRC/Data/CLS-LOC"
SOLUTION = "LOC_val_solution.csv"


def recognises(source: Path) -> bool:
    """Whether the train folder is where Kaggle's archive puts it, or this is the folder of the images itself."""
    return (source / IMAGES / "train").is_dir() or source.resolve().as_posix().endswith(f"/{IMAGES}")


def listing(source: Path) -> Listing:
    """List train, and val by the table; Failure where an image and the table do not fit."""
    if not (source / IMAGES / "train").is_dir():
        raise Failure(f"{source} lacks {IMAGES}/train: give the folder in which ILSVRC and {SOLUTION} lie")
    return Unpacked("ilsvrc2012", IMAGES, SOLUTION, _rows).listing(source)


def _rows(text: str) -> dict[str, str]:
    """Of rows "ILSVRC2012_val_00000001,n01751748 111 108 431 323 ..."."""
    table = csv.DictReader(io.StringIO(text, newline=""))
    return {row["ImageId"]: row["PredictionString"].split()[0] for row in table}


FORM = Form("kaggle", f"{IMAGES}/train and val with {SOLUTION}", recognises, listing)
