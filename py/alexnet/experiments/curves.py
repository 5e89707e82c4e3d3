"""Fig. 1: a net's error on training images that stay the same, at each checkpoint, and when it falls to 25 %."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet.machine.hardware import Wanted
from alexnet.metrics import misses
from alexnet.predict.run import open_run
from alexnet.runs.checkpoint import Shelf, read

IMAGES = 2000
TARGET = 0.25


@dataclass(frozen=True)
class Curve:
    """Error rates `errors` after `epochs`; before the first step a net guesses, which is not among them."""

    epochs: Sequence[float]
    errors: Sequence[float]

    def crossing(self, target: float = TARGET) -> float | None:
        """The epoch at which the error first falls to `target`, on the line between two measurements."""
        before = None
        for epoch, error in zip(self.epochs, self.errors, strict=True):
            if error <= target:
                if before is None:
                    return epoch
                share = (before[1] - target) / (before[1] - error)
                return before[0] + share * (epoch - before[0])
            before = epoch, error
        return None


def measured(run: Path, wanted: Wanted) -> dict[str, Any]:
    """A curve's fields: the error at every checkpoint that the run kept, by the centre crop. Raises Failure."""
    opened = open_run(run, wanted=wanted)
    split = opened.trained.dataset().split("train")
    images = [split.image(index) for index in range(min(IMAGES, len(split)))]  # the shards are in a random order
    labels = split.labels[: len(images)]
    epochs, errors = [], []
    for path in Shelf(run).all():
        checkpoint = read(path, momenta=False)
        epochs.append(float(checkpoint.state["epoch"]))
        errors.append(misses(opened.at(checkpoint).predict(images, "centre"), labels, 1) / len(images))
    return {"epochs": epochs, "errors": errors}


def fastest(curves: dict[float, Curve]) -> float:
    """The rate whose curve falls to the target first; where none does, the one that ends lowest."""

    def order(rate: float) -> tuple[float, float]:
        crossing = curves[rate].crossing()
        return (float("inf") if crossing is None else crossing), curves[rate].errors[-1]

    return min(curves, key=order)
