"""The learning rate: divided when the validation error stops improving, or at given epochs (paper, 5)."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from alexnet.recipe.spec import TrainSpec


@dataclass
class Schedule:
    """What is remembered of the validations so far; part of every checkpoint."""

    drops: int = 0
    best_error: float = float("inf")
    stale: int = 0
    finished: bool = False

    def rate(self, spec: TrainSpec) -> float:
        """The rate of the coming steps."""
        return spec.rate * self.factor(spec)

    def factor(self, spec: TrainSpec) -> float:
        """What the drops so far have made of the first rate."""
        return spec.drop_factor**self.drops

    def reached(self, epoch: float, spec: TrainSpec) -> None:
        """So many epochs are done, the last one perhaps in part: take the drops listed up to here."""
        if spec.schedule == "epochs":
            self.drops = sum(at <= epoch for at in spec.drop_epochs)

    def validated(self, error: float, spec: TrainSpec) -> bool:
        """Take note of a validation error; true where it is the best so far.

        After `patience` validations without improvement the rate drops; when no drop is left, training is finished.
        """
        if error < self.best_error:
            self.best_error, self.stale = error, 0
            return True
        self.stale += 1
        if spec.schedule == "plateau" and self.stale >= spec.patience:
            self.finished = self.drops >= spec.drops
            self.drops = min(self.drops + 1, spec.drops)
            self.stale = 0
        return False

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return asdict(self)

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Schedule":
        """From `state()`; raises KeyError where a value is missing."""
        return cls(**{field.name: state[field.name] for field in fields(cls)})
