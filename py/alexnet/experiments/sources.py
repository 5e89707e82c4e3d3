"""The data of the claims: where each kind is looked for, how it is prepared, and what to do where it is not there."""

import shutil
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from alexnet.console import say
from alexnet.data.format import STATS
from alexnet.data.shards import Dataset
from alexnet.errors import Failure, reason
from alexnet.experiments.commands import run
from alexnet.experiments.turns import turn
from alexnet.files import PART
from alexnet.texts import is_beside

FOLDERS = (Path("data"), Path("images"))


class Missing(Failure):
    """There is no such data here, or none that can be used; its text says how to get it."""


@dataclass(frozen=True)
class Kind:
    """`names` are looked for in ./data and ./images, `prep` are options of `alexctl prep`, `get` is for a person."""

    names: tuple[str, ...]
    get: str
    prep: tuple[str, ...] = ()


KINDS = {
    "imagenet": Kind(
        ("imagenet", "ilsvrc2010", "ilsvrc2012"),
        "register at image-net.org for ILSVRC-2010 or 2012, then alexctl reproduce --imagenet FOLDER",
    ),
    "cifar": Kind(
        ("cifar10", "cifar-10", "cifar"),
        "put cifar-10-binary.tar.gz (cs.toronto.edu/~kriz/cifar.html) into images/cifar10, or --cifar FOLDER",
        ("--val-share", "0.2"),
    ),
    "photographs": Kind(
        ("photographs", "grocery", "fashion-mnist"),
        "put photographs, a folder per class, into images/photographs, or --photographs FOLDER",
        ("--limit", "1000"),
    ),
    "fall2009": Kind(("fall2009",), "ImageNet's Fall 2009 release, 8.9 million images, which is not handed out now"),
    "fall2011": Kind(("fall2011",), "ImageNet's Fall 2011 release, fall11_whole.tar, into images/fall2011"),
}


@dataclass
class Sources:
    """Datasets by kind and size: `given` ones, or what is found; images are prepared below `out`.

    Raises Failure where a given one is not there.
    """

    out: Path
    given: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, path in self.given.items():
            if not path.exists():
                raise Failure(f"{path}: no such folder; name another after --{kind}, or leave it out")

    @cached_property
    def _opened(self) -> dict[tuple[str, int], Dataset | Missing]:
        return {}

    def find(self, kind: str) -> list[Path]:
        """Where one set of images of a kind lies, as images or prepared. Raises Missing."""
        if kind in self.given:
            return [self.given[kind]]
        for name in KINDS[kind].names:
            places = [folder / each for folder in FOLDERS for each in (name, f"{name}.zip")]
            if found := [place for place in places if place.exists()]:
                return found
        raise Missing(f"no {kind}: {KINDS[kind].get}")

    def dataset(self, kind: str, size: int) -> Dataset:
        """The prepared dataset, which is made now where only its images are there.

        Raises Missing, tried once: data that cannot be used stops no claim that needs others.
        """
        if (kind, size) not in self._opened:
            try:
                self._opened[kind, size] = self._dataset(kind, size)
            except Failure as failure:
                self._opened[kind, size] = Missing(str(failure))
        found = self._opened[kind, size]
        if isinstance(found, Missing):
            raise Missing(*found.args)
        return found

    def _dataset(self, kind: str, size: int) -> Dataset:
        places = self.find(kind)
        images = [place for place in places if not (place / STATS).is_file()]
        prepared = [Dataset(place) for place in places if place not in images]
        fitting = [each for each in prepared if each.size == size]
        if not fitting and not images:
            raise Failure(
                f"{places[0]}: its images are {prepared[0].size} pixels wide, {size} are needed: give the images "
                "themselves, and they are prepared"
            )
        return fitting[0] if fitting else Dataset(self._prepared(kind, images[0], size))

    def _prepared(self, kind: str, source: Path, size: int) -> Path:
        made = self.out / "data" / f"{kind}-{size}"
        with turn(made.with_suffix(".lock")):
            if (made / STATS).is_file():
                return made
            images = self._unzipped(source) if source.suffix == ".zip" else source
            say(f"{kind}: preparing {source} at {size} pixels")
            options = ("--out", str(made), "--size", str(size), *KINDS[kind].prep)
            if run("prep", str(images), *options, out=sys.stderr).returncode:
                raise Failure(f"{source}: cannot be prepared, see above; fix that, or name other data")
        return made

    def _unzipped(self, archive: Path) -> Path:
        """The folder in an archive, unpacked where it was not yet."""
        folder = self.out / "images" / archive.stem
        if not folder.exists():
            part = folder.with_name(f"{PART}{folder.name}")
            shutil.rmtree(part, ignore_errors=True)
            try:
                with zipfile.ZipFile(archive) as file:
                    for member in file.infolist():
                        member.filename = member.filename.replace("\\", "/")  # as some of Windows' programs write it
                        file.extract(member, part)
                part.rename(folder)
            except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:  # a password, a method
                raise Failure(f"{archive}: cannot be unpacked ({reason(error)}); unpack it by hand") from None
        inside = [each for each in folder.iterdir() if each.is_dir() and not is_beside(each.name)]
        return inside[0] if len(inside) == 1 and inside[0].name != "train" else folder
