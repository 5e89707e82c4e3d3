"""Images that may show several classes at once, as VOC2007's: a search for each class, by lists of what shows it.

FOLDER/<class>_trainval.txt     a line an image: its name, and 1, -1, or 0 where it is difficult
FOLDER/<class>_test.txt
"""

import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from alexnet.baselines.linear import Signs
from alexnet.data.shards import Split
from alexnet.errors import Failure, reason
from alexnet.texts import decoded

PARTS = ("trainval", "test")
LINE = re.compile(r"\s*(\S+)\s+([+-]?1|0)\s*")


@dataclass(frozen=True)
class Searches:
    """Of each class, in the order of their names, the signs of images by the names of their files without suffix."""

    folder: Path
    lists: dict[str, dict[str, int]]

    @property
    def classes(self) -> list[str]:
        """Their names."""
        return [*self.lists]

    def signs(self, split: Split) -> Signs:
        """(n, classes) int8: 1 where an image shows the class, -1 where not, 0 where it is difficult.

        Raises Failure where an image is on no list, or none shows a class.
        """
        images = [Path(name).stem for name in split.names]
        columns = np.empty((len(self.lists), len(images)), np.int8)
        for column, (name, listed) in zip(columns, self.lists.items(), strict=True):
            if strange := [image for image in images if image not in listed]:
                raise Failure(f"{self.folder}: of the {split.name} images {strange[0]} is on no list of {name}: add it")
            column[:] = [listed[image] for image in images]
            if not (column > 0).any():
                raise Failure(f"{self.folder}: none of the {split.name} images shows {name}: remove its lists")
        return columns.T


def searches(folder: Path) -> Searches:
    """The lists in a folder, as VOCdevkit/VOC2007/ImageSets/Main is. Raises Failure that names the file and line."""
    end = f"_{PARTS[0]}.txt"
    names = sorted(path.name.removesuffix(end) for path in folder.glob(f"*{end}"))
    if not names:
        raise Failure(f"{folder} has no lists such as cat{end}: give the folder ImageSets/Main of VOC2007")
    return Searches(folder, {name: _signs([folder / f"{name}_{part}.txt" for part in PARTS]) for name in names})


def _signs(paths: list[Path]) -> dict[str, int]:
    return dict(chain.from_iterable(map(_lines, paths)))


def _lines(path: Path) -> list[tuple[str, int]]:
    try:
        lines = decoded(path.read_bytes()).splitlines()
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read ({reason(error)}): get it again") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not (parts := LINE.fullmatch(line)):
            raise Failure(f"{path}, line {number}: {line!r}: write an image's name, then 1, -1 or 0")
        found.append((parts[1], int(parts[2])))
    return found
