"""Before anything runs: which items there are, what they lack, and what they would cost."""

import json
from collections.abc import Iterator, Sequence, Set
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

from alexnet.errors import Failure
from alexnet.experiments.commands import answer
from alexnet.experiments.jobs import Job, Plan, distinct, together
from alexnet.experiments.lab import Lab, tested
from alexnet.experiments.sources import Missing
from alexnet.machine.hardware import Wanted, side_by_side
from alexnet.recipe.topology import topology

STATES = 2  # of each weight a checkpoint holds two numbers, itself and its momentum
BYTES = 4


@dataclass(frozen=True)
class Item:
    """An item, how many trainings it has, and what data it lacks, with how to get it."""

    name: str
    section: str
    systems: tuple[str, ...]
    title: str
    trainings: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """What an item takes that is not done yet: runs, seconds of training and testing, bytes of checkpoints."""

    name: str
    runs: int
    seconds: float
    disk: float
    missing: tuple[str, ...]


def items(plans: Sequence[Plan]) -> list[Item]:
    """The items; nothing is prepared for it."""
    return [
        Item(
            plan.claim.name,
            plan.claim.section,
            plan.claim.systems,
            plan.claim.title,
            len(plan.scale.trainings),
            tuple(_missing(plan)),
        )
        for plan in plans
    ]


def _missing(plan: Plan) -> list[str]:
    kinds = dict.fromkeys([plan.scale.data, *(each.data for each in plan.scale.trainings if each.data)])
    found = []
    for kind in kinds:
        try:
            plan.sources.find(kind)
        except Missing as missing:
            found.append(str(missing))
    return found


def costs(lab: Lab, plans: Sequence[Plan]) -> list[Cost]:
    """What each item adds to those before it; data that is there is prepared for it. Raises Failure."""
    told = []
    for plan, (trainings, missing) in zip(plans, _surveyed(lab, plans), strict=True):
        seconds = sum(each for _, each in trainings)
        disk = sum(_disk(each.jobs[0]) for each, _ in trainings)
        told.append(Cost(plan.claim.name, len(trainings), seconds, disk, tuple(missing)))
    return told


@dataclass(frozen=True)
class Open:
    """A training that was not done: `jobs` are it at each rate that may be the fastest, which the jobs `rates` tell."""

    jobs: tuple[Job, ...]
    rates: tuple[Job, ...] = ()

    def over(self, lab: Lab, ended: Set[str] = frozenset()) -> bool:
        """Whether it is done by now, at one of the rates, or never will be: it or a rate has `ended`, and failed."""
        failed = (job.key in ended and not lab.finished(job) for job in (*self.jobs, *self.rates))
        return any(map(lab.finished, self.jobs)) or any(failed)


Timed = list[tuple[Open, float]]  # each with its share of the seconds


class Left:
    """How long the trainings that are left will take, as the end of a line; nothing where a net could not be timed.

    All are estimated when it is first asked, and those that are done by then or later are taken off, and what failed:
    it is asked with the keys of the jobs that have ended in this process.
    """

    def __init__(self, lab: Lab, plans: Sequence[Plan]) -> None:
        self._lab, self._plans = lab, plans

    def __call__(self, ended: Set[str]) -> str:
        self._open[:] = [(each, seconds) for each, seconds in self._open if not each.over(self._lab, ended)]
        minutes = sum(seconds for _, seconds in self._open) / 60
        return f", about {minutes:.0f} min of training left" if self._open else ""

    @cached_property
    def _open(self) -> Timed:
        try:
            return [each for trainings, _ in _surveyed(self._lab, self._plans) for each in trainings]
        except Failure:  # of a bench: the training will say why
            return []


def _surveyed(lab: Lab, plans: Sequence[Plan]) -> Iterator[tuple[Timed, list[str]]]:
    """Of each plan what is not done and was not counted before, timed at a place of its own, and what data it lacks."""
    counted = set[str]()
    for group in together(plans):
        told = []
        for plan in group:
            trainings, missing = _trainings(plan)
            new = [each for key, each in trainings.items() if key not in counted and not each.over(lab)]
            counted |= {each.jobs[0].key for each in new}
            told.append((new, missing))
        places = side_by_side(lab.wanted, sum(len(new) for new, _ in told))
        for new, missing in told:
            yield [(each, _seconds(lab, each.jobs[0], places[0]) / len(places)) for each in new], missing


def _trainings(plan: Plan) -> tuple[dict[str, Open], list[str]]:
    """What a plan trains, each after what it begins with, by its first job's key; and what data is missing.

    With the first seed every rate is tried, which are jobs of their own; any of them may be the others' rate.
    """
    trainings, missing = dict[str, Open](), list[str]()
    for training in plan.scale.trainings:
        try:
            first, *others = zip(*(plan.jobs(training.name, rate) for rate in training.rates or (None,)), strict=True)
        except Missing as lacking:
            missing.append(str(lacking))
            continue
        rates = first if training.rates else ()
        for each in [*(Open((job,)) for job in first), *(Open(jobs, rates) for jobs in others)]:
            for key, job in distinct(each.jobs[:1]).items():
                trainings.setdefault(key, each if key == each.jobs[0].key else Open((job,)))
    return trainings, [*dict.fromkeys(missing)]


def _seconds(lab: Lab, job: Job, place: Wanted) -> float:
    speed = _speed(lab, job, place.arguments())
    tests = job.data.counts[tested(job.data)]
    return float(job.images / speed["images_per_s"] + tests / speed["ten_crop_images_per_s"])


def _disk(job: Job) -> float:
    shapes = topology(job.recipe.net, len(job.data.classes))
    saved = 1 + job.images / job.recipe.train.batch / job.recipe.train.checkpoint_steps + job.recipe.train.epochs
    return BYTES * STATES * shapes.parameters * min(saved, job.recipe.train.checkpoints_kept + 1)


def _speed(lab: Lab, job: Job, hardware: Sequence[str]) -> dict[str, Any]:
    """What `alexctl bench` says of the job's net, kept for the next time; whatever alters its speed is in the name."""
    recipe, classes = job.recipe, len(job.data.classes)
    parts = [repr(each) for each in (recipe.net, recipe.train.batch, recipe.engine, classes, [*hardware])]
    key = blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()

    def measure() -> dict[str, Any]:
        options = ["--classes", str(classes), "--repeat", "1"]
        try:
            return answer("bench", *job.settings(), *options, *hardware)
        except Failure as failure:
            raise Failure(f"{job.name}: {failure}") from None

    return lab.kept(lab.out / "speeds" / f"{key}.json", measure)


def as_json(told: Sequence[Item | Cost]) -> dict[str, Any]:
    """For `--json`: the items by themselves, or with their cost."""
    return {"items": [asdict(each) for each in told]}
