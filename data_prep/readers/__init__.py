"""The forms in which datasets come, and how the right one is found."""

from pathlib import Path

from alexnet.errors import Failure
from data_prep.readers import folders, idx
from data_prep.readers.base import Entry, Fetch, Form, Listing

__all__ = ["FORMS", "Entry", "Fetch", "Form", "Listing", "recognise"]

FORMS = (idx.FORM, folders.FORM)


def recognise(source: Path, name: str | None = None) -> Form:
    """The form of `source`, or the one called `name`; Failure where there is none."""
    if not source.exists():
        raise Failure(f"there is no {source}: give the folder of the images, alexctl prep SOURCE --out data")
    if not source.is_dir():
        raise Failure(f"{source} is a file: unpack it and give the folder, alexctl prep SOURCE --out data")
    known = "; ".join(f"{form.name} ({form.about})" for form in FORMS)
    if name is not None:
        for form in FORMS:
            if form.name == name:
                return form
        raise Failure(f"--form {name} is not known: {known}")
    for form in FORMS:
        if form.recognises(source):
            return form
    raise Failure(f"{source} holds no images in a form that is known: {known}")
