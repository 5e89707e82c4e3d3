"""Before anything runs: which items there are, what they lack, and what they would cost."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

from alexnet.errors import Failure
from alexnet.experiments.commands import answer
from alexnet.experiments.jobs import Job, Plan, distinct
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
    counted: set[str] = set()
    told = []
    for plan in plans:
        jobs, missing = _jobs(plan)
        new = [job for key, job in distinct(jobs).items() if key not in counted and not lab.finished(job)]
        counted |= {job.key for job in new}
        places = side_by_side(lab.wanted, len(new))
        seconds = sum(_seconds(lab, job, places[0]) for job in new) / len(places)
        told.append(Cost(plan.claim.name, len(new), seconds, sum(map(_disk, new)), tuple(missing)))
    return told


def left(lab: Lab, plans: Sequence[Plan]) -> str:
    """The end of a line that says how long the trainings that are left will take, where that can be estimated."""
    try:
        seconds = sum(each.seconds for each in costs(lab, plans))
    except Failure:  # of a bench: the training will say why
        return ""
    return f", about {seconds / 60:.0f} min of training left"


def _jobs(plan: Plan) -> tuple[list[Job], list[str]]:
    """A plan's jobs, the first rate standing for the fastest one, and what is missing."""
    jobs, missing = list[Job](), list[str]()
    for training in plan.scale.trainings:
        try:
            swept = plan.swept(training.name)
            jobs += [*swept.values(), *plan.jobs(training.name, next(iter(swept), None))]
        except Missing as lacking:
            missing.append(str(lacking))
    return jobs, [*dict.fromkeys(missing)]


def _seconds(lab: Lab, job: Job, place: Wanted) -> float:
    speed = _speed(lab, job, place.arguments())
    tests = job.data.counts[tested(job.data)]
    return float(job.images / speed["images_per_s"] + tests / speed["ten_crop_images_per_s"])


def _disk(job: Job) -> float:
    shapes = topology(job.recipe.net, len(job.data.classes))
    saved = 1 + job.images / job.recipe.train.batch / job.recipe.train.checkpoint_steps + job.recipe.train.epochs
    return BYTES * STATES * shapes.parameters * min(saved, job.recipe.train.checkpoints_kept + 1)


def _speed(lab: Lab, job: Job, hardware: Sequence[str]) -> dict[str, Any]:
    """What `alexctl bench` says of the job's net, kept for the next time."""
    parts = [job.source, *(each for each in job.changes if each.startswith("net.")), *hardware]
    key = blake2b(json.dumps([*parts, len(job.data.classes)]).encode(), digest_size=8).hexdigest()

    def measure() -> dict[str, Any]:
        options = ["--classes", str(len(job.data.classes)), "--repeat", "1"]
        try:
            return answer("bench", *job.settings(), *options, *hardware)
        except Failure as failure:
            raise Failure(f"{job.name}: {failure}") from None

    return lab.kept(lab.out / "speeds" / f"{key}.json", measure)


def as_json(told: Sequence[Item | Cost]) -> dict[str, Any]:
    """For `--json`: the items by themselves, or with their cost."""
    return {"items": [asdict(each) for each in told]}
