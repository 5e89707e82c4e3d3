"""Tiny ImageNet as Stanford's CS231n gives it out: 200 classes of ImageNet at 64x64.

    wnids.txt  words.txt  train/<wnid>/images/*.JPEG  val/images/*.JPEG  val/val_annotations.txt

The test images have no labels and are left out.
"""

from pathlib import Path

from data_prep.readers.base import Form, Listing
from data_prep.readers.unpacked import Unpacked

TABLE = "val/val_annotations.txt"


def recognises(source: Path) -> bool:
    """Whether val's table is in `source`, and train."""
    return (source / TABLE).is_file() and (source / "train").is_dir()


def listing(source: Path) -> Listing:
    """List train, and val by the table; Failure where an image and the table do not fit."""
    return Unpacked("tiny", "", TABLE, _rows).listing(source)


def _rows(text: str) -> dict[str, str]:
    """Of lines "val_0.JPEG, n03444034, 0, 32, 44, 62" with tabs between."""
    fields = (line.split("\t") for line in text.splitlines() if line.strip())
    return {image.rpartition(".")[0]: wnid.strip() for image, wnid, *_ in fields}


FORM = Form("tiny", f"Tiny ImageNet: train, val and {TABLE}", recognises, listing)
