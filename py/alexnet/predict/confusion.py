"""Which classes a net takes for which: the confusion matrix of an evaluation, and the errors of each class."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.format import ClassInfo
from alexnet.errors import Failure, reason
from alexnet.metrics import misses
from alexnet.predict.evaluate import Errors


@dataclass(frozen=True)
class OfClass:
    """A class's share of errors among its `images`; None where there are none."""

    index: int
    id: str
    name: str
    images: int
    top1_error: float | None
    top5_error: float | None


@dataclass(frozen=True)
class Confusion:
    """`matrix[right][said]` counts images; ties go to the lower class, as in the errors."""

    split: str
    crops: str
    data: str
    top1_error: float
    top5_error: float
    classes: tuple[OfClass, ...]
    matrix: NDArray[np.int64]

    def most(self, count: int = 20) -> list[tuple[OfClass, OfClass, int]]:
        """The most frequent confusions: right, said, images."""
        wrong = self.matrix * ~np.eye(len(self.matrix), dtype=bool)
        places = np.argsort(-wrong, axis=None, kind="stable")[:count]
        pairs = [divmod(int(place), len(wrong)) for place in places]
        return [(self.classes[a], self.classes[b], int(wrong[a, b])) for a, b in pairs if wrong[a, b]]

    def as_json(self) -> dict[str, Any]:
        """All of it, which `of_json` reads back."""
        return {**vars(self), "classes": [asdict(each) for each in self.classes], "matrix": self.matrix.tolist()}

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> "Confusion":
        """What `as_json` gave. Raises Failure where it is something else."""
        try:
            classes = tuple(OfClass(**each) for each in found["classes"])
            matrix = np.array(found["matrix"], np.int64)
            if matrix.shape != (len(classes), len(classes)):
                raise ValueError("its matrix does not fit its classes")
            return cls(**{**found, "classes": classes, "matrix": matrix})
        except (KeyError, TypeError, ValueError) as error:
            raise Failure(f"not a report of `alexctl eval` ({reason(error)})") from error


def confusion(errors: Errors, classes: Sequence[ClassInfo], split: str) -> Confusion:
    """What an evaluation's probabilities say of each class."""
    said = errors.probs.argmax(axis=1)
    matrix = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(matrix, (errors.labels, said), 1)

    def of(info: ClassInfo) -> OfClass:
        own = errors.labels == info.index
        images = int(own.sum())
        shares = [misses(errors.probs[own], errors.labels[own], k) / images if images else None for k in (1, 5)]
        return OfClass(info.index, info.id, info.name, images, *shares)

    listed = tuple(of(info) for info in classes)
    return Confusion(split, errors.crops, str(errors.data), errors.top1, errors.top5, listed, matrix)
