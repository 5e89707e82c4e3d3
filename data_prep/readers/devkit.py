"""ImageNet's development kits: which ID stands for which WNID, and what the validation images show.

`data/meta.mat` holds the struct array `synsets` (ILSVRC2012_ID or ILSVRC2010_ID, WNID, words,
num_children, num_train_images); those without children are the classes, their IDs 1, 2, ...
`data/ILSVRC*_validation_ground_truth.txt` has an ID a line, in the order of the sorted file names.
"""

import io
import re
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet.errors import Failure, reason
from alexnet.texts import decoded

ARCHIVES = {2012: "ILSVRC2012_devkit_t12.tar.gz", 2010: "ILSVRC2010_devkit-1.0.tar.gz"}
FOLDERS = {2012: ("ILSVRC2012_devkit_t12", "."), 2010: ("ILSVRC2010_devkit-1.0/devkit-1.0", "devkit-1.0", ".")}
META = "data/meta.mat"
LARGEST = 64 * 2**20  # ten times any file of a kit that is read here
WNID = re.compile(r"n\d{8}")


@dataclass(frozen=True)
class Synset:
    """A class as the devkit knows it; `images` are those of train."""

    id: int
    wnid: str
    words: str
    images: int


@dataclass(frozen=True)
class Devkit:
    """`synsets` by ID, from 1; `where` it was read."""

    where: Path
    year: int
    synsets: list[Synset]
    validation: bytes | None

    def validation_truth(self) -> list[str]:
        """The WNID of each validation image, in the order of the sorted file names."""
        if self.validation is None:
            raise Failure(f"{self.where} lacks {_truth_file(self.year)}: get the devkit again")
        return self.truth(self.validation, self.where / _truth_file(self.year))

    def truth(self, content: bytes, path: Path) -> list[str]:
        """The WNIDs for a file with an ID a line."""
        try:
            numbers = [int(line) for line in decoded(content).split()]
            if not all(1 <= number <= len(self.synsets) for number in numbers):
                raise ValueError(f"an ID is not from 1 to {len(self.synsets)}")
        except ValueError as error:
            raise Failure(f"{path} is damaged ({reason(error)}): get it again") from None
        return [self.synsets[number - 1].wnid for number in numbers]


def find(source: Path, year: int) -> Devkit | None:
    """The devkit of `year` in `source`, as it was published or unpacked; Failure where it is damaged."""
    archive = source / ARCHIVES[year]
    if archive.is_file():
        files = _unpacked(archive, (META, _truth_file(year)))
        where = archive
    else:
        folders = [source / folder for folder in FOLDERS[year] if (source / folder / META).is_file()]
        if not folders:
            return None
        where = folders[0]
        files = {name: (where / name).read_bytes() for name in (META, _truth_file(year)) if (where / name).is_file()}
    if META not in files:
        raise Failure(f"{where} lacks {META}: get the devkit again")
    synsets = _synsets(files[META], where, year)
    return None if synsets is None else Devkit(where, year, synsets, files.get(_truth_file(year)))


def _truth_file(year: int) -> str:
    return f"data/ILSVRC{year}_validation_ground_truth.txt"


def _unpacked(archive: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """Those of the wanted files that are in an archive, whatever folder it has above them."""
    found = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                for name in wanted:
                    file = tar.extractfile(member) if f"/{member.name}".endswith(f"/{name}") else None
                    if file is not None:
                        if member.size > LARGEST:
                            raise ValueError(f"{name} has {member.size} bytes")
                        found[name] = file.read()
    except (OSError, EOFError, KeyError, ValueError, zlib.error, tarfile.TarError) as error:
        raise Failure(f"{archive} cannot be read ({reason(error)}): get it again") from None
    return found


def _synsets(content: bytes, where: Path, year: int) -> list[Synset] | None:
    """The classes by ID; None where they are those of another year."""
    from scipy.io import loadmat

    key = f"ILSVRC{year}_ID"
    try:
        table: Any = loadmat(io.BytesIO(content), squeeze_me=True)["synsets"]
        if key not in table.dtype.names and any(re.fullmatch(r"ILSVRC\d{4}_ID", name) for name in table.dtype.names):
            return None
        rows = zip(*(table[field] for field in (key, "WNID", "words", "num_children", "num_train_images")), strict=True)
        synsets = [
            Synset(int(number), str(wnid), " ".join(str(words).split()), int(images))
            for number, wnid, words, children, images in rows
            if int(children) == 0
        ]
        synsets.sort(key=lambda synset: synset.id)
        if [synset.id for synset in synsets] != list(range(1, len(synsets) + 1)):
            raise ValueError("its IDs are not 1, 2, ...")
        if not synsets or not all(WNID.fullmatch(synset.wnid) for synset in synsets):
            raise ValueError("a class has no WNID")
        if len({synset.wnid for synset in synsets}) < len(synsets):
            raise ValueError("a WNID stands twice")
    except Exception as error:  # SciPy answers damage with whatever exception comes first
        raise Failure(f"{where}: {META} is damaged ({reason(error)}): get the devkit again") from None
    return synsets
