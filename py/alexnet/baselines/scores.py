"""What a baseline reached: errors where each image has one label, precisions where it may show several classes."""

from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from alexnet.baselines.grid import Floats
from alexnet.baselines.linear import Labels, Signs
from alexnet.metrics import class_error, misses


@dataclass(frozen=True)
class Errors:
    """Shares of the images whose label is not the best, not among the best five; the first as the classes' mean."""

    top1_error: float
    top5_error: float
    class_error: float


@dataclass(frozen=True)
class Precisions:
    """The average precision of the search for each class, by its name, and their mean."""

    mean_average_precision: float
    average_precisions: dict[str, float]


Reached = TypeVar("Reached", Errors, Precisions)


@dataclass(frozen=True)
class Scores(Generic[Reached]):
    """What a baseline reached on `images` images after learning from `learnt`: all channels together, and each."""

    images: int
    learnt: int
    together: Reached
    channels: dict[str, Reached]

    def as_json(self) -> dict[str, Any]:
        """What `alexctl baseline --json` prints: all channels' numbers together, and each one's."""
        channels = {name: asdict(reached) for name, reached in self.channels.items()}
        return {**asdict(self.together), "images": self.images, "learnt": self.learnt, "channels": channels}


def errors(scores: Floats, labels: Labels) -> Errors:
    """Of scores (n, classes) for images with labels (n)."""
    top1, top5 = (misses(scores, labels, count) / len(labels) for count in (1, 5))
    return Errors(top1, top5, class_error(scores, labels))


def precisions(scores: Floats, signs: Signs, classes: list[str]) -> Precisions:
    """Of scores (n, classes) for images with signs (n, classes)."""
    found = [average_precision(*columns) for columns in zip(scores.T, signs.T, strict=True)]
    return Precisions(float(np.mean(found)), dict(zip(classes, found, strict=True)))


def average_precision(scores: NDArray[np.floating[Any]], signs: NDArray[np.int8]) -> float:
    """Of images (n) ranked by falling score, as VOC2007 has it: the mean over recalls 0, 0.1, .. 1 of the greatest
    precision at that recall or beyond. Images of sign 0 are left out; at least one has 1."""
    ranked = signs[np.argsort(-scores, kind="stable")]
    right = np.cumsum(ranked[ranked != 0] > 0)
    precision = right / np.arange(1, len(right) + 1)
    beyond = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(10 * right, np.arange(11) * right[-1])  # the first place of each recall, in whole numbers
    return float(beyond[reached].mean())
