"""The forms in which datasets come, and how the right one is found."""

from pathlib import Path

from alexnet.errors import Failure
from data_prep.readers import cifar10, folders, idx, ilsvrc2010, ilsvrc2012, kaggle, parquet, synsets, tiny
from data_prep.readers.base import Entry, Fetch, Form, Listing

__all__ = ["FORMS", "Entry", "Fetch", "Form", "Listing", "recognise"]

FORMS = (
    ilsvrc2012.FORM,
    ilsvrc2010.FORM,
    kaggle.FORM,
    parquet.FORM,
    synsets.FORM,
    tiny.FORM,
    cifar10.FORM,
    idx.FORM,
    folders.FORM,
)
PACKED = (".zip", ".7z", ".rar")


def recognise(source: Path, name: str | None = None) -> Form:
    """The form of `source`, or the one called `name`; Failure where there is none."""
    if not source.exists():
        raise Failure(f"there is no {source}: give the folder of the images, alexctl prep SOURCE --out data")
    if not source.is_dir() and source.suffix.lower() in PACKED:
        raise Failure(f"{source} is packed: unpack it and give its folder, alexctl prep {source.stem} --out data")
    if not source.is_dir():
        raise Failure(f"{source} is a file: give the folder in which it lies, alexctl prep {source.parent} --out data")
    known = "; ".join(f"{form.name} ({form.about})" for form in FORMS)
    if name is not None:
        for form in FORMS:
            if form.name == name:
                return form
        raise Failure(f"--form {name} is not known: {known}")
    for form in FORMS:
        if form.recognises(source):
            return form
    if loose := folders.loose_images(source):
        raise Failure(f"{source}: its {loose} images lie in no class folders: {folders.advice(source)}")
    raise Failure(f"{source} holds no images in a form that is known: {folders.advice(source)}, or give one of {known}")
