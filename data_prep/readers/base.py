"""What a reader of a dataset's form gives: classes, the images of each split, and a way to their bytes.

A reader is one module with a `FORM`; `readers.FORMS` lists them in the order in which they are tried.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from alexnet.data.format import ClassInfo, Pixels


class Entry(NamedTuple):
    """One image of a source: its name there, its class, and where its bytes lie.

    `file` is relative to the source; `start` and `length` mean what the form's Fetch says.
    """

    name: str
    label: int
    file: str
    start: int = 0
    length: int = 0


class Fetch(Protocol):
    """Reads entries in a worker: small, and can be pickled."""

    def __call__(self, entry: Entry) -> bytes | Pixels:
        """The image file's bytes, or its pixels (H, W) or (H, W, 3); OSError or Failure where it is gone."""
        ...


@dataclass
class Listing:
    """Everything a source holds. `splits` always has "train"; what it lacks is made from "train".

    `content` is a digest of what the images are, as far as the listing shows; `stamp` one of when
    they were written: where only the stamp differs, a file was changed and kept its length.
    `val_share` and `test_share` of each class of "train" become splits that the source lacks.
    Where `fetch` is slow in the order of a dataset, `unpack` copies entries into an empty folder, to read there.
    """

    classes: list[ClassInfo]
    class_order: str
    splits: dict[str, list[Entry]]
    fetch: Fetch
    content: str
    stamp: str
    notes: list[str] = field(default_factory=list)
    val_share: float = 0.1
    test_share: float = 0.0
    unpack: Callable[[Path, Iterable[Entry]], Fetch] | None = None


@dataclass(frozen=True)
class Form:
    """A form in which a dataset comes: `name` for --form, `about` for people."""

    name: str
    about: str
    recognises: Callable[[Path], bool]
    listing: Callable[[Path], Listing]
