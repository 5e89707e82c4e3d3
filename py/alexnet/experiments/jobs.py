"""Trainings to do: a run known by the hash of all that its numbers hang on, so that claims share what is equal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from alexnet.experiments.claims import Claim, Scale, Training
from alexnet.experiments.sources import Sources
from alexnet.recipe import Recipe, load

KEY_BYTES = 8
RATE = "train.rate"


@dataclass(frozen=True)
class Job:
    """One run: `source` with `changes` is its `recipe`; of `after`, another job, it begins with `layers`' weights."""

    name: str
    source: str
    changes: tuple[str, ...]
    recipe: Recipe = field(repr=False)
    data: Dataset = field(repr=False)
    seed: int
    after: "Job | None" = None
    layers: str = ""

    @cached_property
    def key(self) -> str:
        """The hash of its resolved recipe (its length among it), its dataset, its seed, and what it begins with."""
        first = [self.after.key, self.layers] if self.after else []
        parts = [self.recipe.to_toml(), self.data.identity, self.seed, first]
        return blake2b(json.dumps(parts).encode(), digest_size=KEY_BYTES).hexdigest()

    @property
    def images(self) -> int:
        """That it trains on, all epochs together, but for a held-out part taken in later."""
        return self.recipe.train.epochs * self.data.counts["train"]

    def settings(self) -> list[str]:
        """Recipe and changes as options of `alexctl`."""
        return ["--recipe", self.source, *(each for change in self.changes for each in ("--set", change))]

    def arguments(self, runs: Path) -> list[str]:
        """Of `alexctl`, to train it in its folder in `runs`."""
        first = ["--init", f"{runs / self.after.key}:{self.layers}"] if self.after else []
        return [
            *("train", str(self.data.path), *self.settings(), *first),
            *("--seed", str(self.seed), "--out", str(runs / self.key), "--resume"),
        ]


@dataclass(frozen=True)
class Plan:
    """A claim at a scale, on data that is there: its trainings as jobs."""

    claim: Claim
    scale: Scale
    sources: Sources
    seeds: int | None = None

    def dataset(self, training: Training | None = None) -> Dataset:
        """Of the scale, or of one of its trainings. Raises Missing where it is not there."""
        return self.sources.dataset(
            (training.data if training else "") or self.scale.data,
            (training.size if training else 0) or self.scale.size,
        )

    def training(self, name: str) -> Training:
        """The training of this name; Failure where the claim has none."""
        for each in self.scale.trainings:
            if each.name == name:
                return each
        raise Failure(f"claim {self.claim.name}: no training '{name}'")

    def swept(self, name: str) -> dict[float, Job]:
        """The jobs that look for a training's rate, by rate; none where the rate is given."""
        training = self.training(name)
        return {rate: self._job(training, 0, rate) for rate in training.rates}

    def jobs(self, name: str, rate: float | None = None) -> list[Job]:
        """A job a seed; of a training whose rate was looked for, at the `rate` that was found."""
        training = self.training(name)
        return [self._job(training, seed, rate) for seed in range(self._seeds(training))]

    def _seeds(self, training: Training) -> int:
        return training.seeds or self.seeds or self.scale.seeds

    def _job(self, training: Training, seed: int, rate: float | None = None) -> Job:
        changes = (*training.set, *((f"{RATE}={rate!r}",) if rate is not None else ()))
        name = f"{training.name}, seed {seed}" if rate is None else f"{training.name}, rate {rate:g}, seed {seed}"
        first, _, layers = training.init.partition(":")
        after = self._job(self.training(first), seed) if first else None
        recipe = load(training.recipe, changes)
        return Job(name, training.recipe, changes, recipe, self.dataset(training), seed, after, layers)


def together(plans: Sequence[Plan]) -> Iterator[list[Plan]]:
    """All in their order, in one list those whose trainings may be done side by side.

    It ends with an item whose times are taken: nothing else may go on meanwhile.
    """
    side_by_side: list[Plan] = []
    for plan in plans:
        side_by_side.append(plan)
        if plan.claim.timed:
            yield side_by_side
            side_by_side = []
    yield side_by_side


def distinct(jobs: Sequence[Job]) -> Mapping[str, Job]:
    """Jobs by key, each after what it begins with."""
    found: dict[str, Job] = {}
    for job in jobs:
        if job.after:
            found |= distinct([job.after])
        found.setdefault(job.key, job)
    return found
