"""What a row's number is: a function a measure, of the jobs it is measured on."""

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.baselines.run import run as run_baseline
from alexnet.errors import Failure
from alexnet.experiments import likeness, statistics
from alexnet.experiments.claims import Row
from alexnet.experiments.colour import columns_apart, first_kernels
from alexnet.experiments.curves import fastest
from alexnet.experiments.jobs import Job, Plan
from alexnet.experiments.lab import Lab, tested
from alexnet.experiments.statistics import Estimate
from alexnet.experiments.turns import turn
from alexnet.machine.cores import cores
from alexnet.metrics import missed
from alexnet.runs import log

Floats = NDArray[np.float32]
K = {"top1": 1, "top5": 5}


@dataclass(frozen=True)
class Asked:
    """A row of a plan in a lab, all of whose jobs are done."""

    lab: Lab
    plan: Plan
    row: Row

    def jobs(self, name: str) -> list[Job]:
        """A training's jobs, of a training whose rate was looked for those at the one that was found."""
        return found(self.lab, self.plan, name)

    def missed(self, place: int) -> list[NDArray[np.bool_]]:
        """Each seed's misses by image, of the training at this place of the row's `of`."""
        crops = self.row.crops[min(place, len(self.row.crops) - 1)]
        jobs = self.jobs(self.row.of[place])
        return [self.lab.predictions(job, crops).missed(K[self.row.key]) for job in jobs]


def found(lab: Lab, plan: Plan, name: str) -> list[Job]:
    """A training's jobs: at the fastest of its rates, once all of these have been tried; none before."""
    swept = plan.swept(name)
    if not swept:
        return plan.jobs(name)
    if not all(lab.finished(job) for job in swept.values()):
        return []
    return plan.jobs(name, fastest({rate: lab.curve(job) for rate, job in swept.items()}))


def error(asked: Asked) -> Estimate:
    """The error rate of one training."""
    return statistics.level(asked.missed(0))


def difference(asked: Asked) -> Estimate:
    """By how much the first training's error rate is above the second's."""
    return statistics.difference(asked.missed(0), asked.missed(1))


def averaged(asked: Asked) -> Estimate:
    """The error rate of all trainings' and seeds' predictions averaged (section 6)."""
    return statistics.level([_averaged(asked, asked.row.of)])


def gained(asked: Asked) -> Estimate:
    """By how much the nets alone, on average, are above their predictions averaged: paired by image."""
    alone = np.mean([each for place in range(len(asked.row.of)) for each in asked.missed(place)], axis=0)
    return statistics.paired([alone - _averaged(asked, asked.row.of)])


def _averaged(asked: Asked, names: Sequence[str]) -> NDArray[np.bool_]:
    """(n): what the averaged predictions miss."""
    parts = [asked.lab.predictions(job, asked.row.crops[0]) for name in names for job in asked.jobs(name)]
    mean: Floats = np.stack([part.probs for part in parts]).mean(axis=0)
    return missed(mean, parts[0].labels, K[asked.row.key])


def slower(asked: Asked) -> Estimate:
    """How many times the epochs of the second training the first takes to 25 % training error (section 3.1).

    Where the first does not get there, its length stands for its crossing. Raises Failure where the second does not.
    """
    above, below, note = [], [], ""
    for one, other in zip(asked.jobs(asked.row.of[0]), asked.jobs(asked.row.of[1]), strict=True):
        curve, reached = asked.lab.curve(one), asked.lab.curve(other).crossing()
        if reached is None:
            raise Failure(f"{other.name}: does not reach 25 % in {other.recipe.train.epochs} epochs")
        crossing = curve.crossing()
        if crossing is None:
            crossing, note = curve.epochs[-1], f"at least: {one.name} does not reach 25 %"
        above.append(crossing)
        below.append(reached)
    return replace(statistics.ratio(above, below), note=note)


def longer(asked: Asked) -> Estimate:
    """How many times the epochs of the second training the first takes to its least validation error (section 4.2)."""
    best = [[_best_epoch(asked.lab, job) for job in asked.jobs(name)] for name in asked.row.of]
    return statistics.ratio(best[0], best[1])


def _best_epoch(lab: Lab, job: Job) -> float:
    rows = [row for row in log.read(lab.run(job) / log.NAME) if row.get("val_top1_error") is not None]
    if not rows:
        raise Failure(f"{job.name}: was never validated")
    return float(min(rows, key=lambda row: row["val_top1_error"])["epoch"])


def specialised(asked: Asked) -> Estimate:
    """The share of seeds whose columns differ in colour more than 95 % of random halves of their kernels do (6.1)."""
    apart = [columns_apart(*first_kernels(asked.lab, job)) for job in asked.jobs(asked.row.of[0])]
    beyond = sum(each.difference > each.threshold for each in apart)
    return Estimate(*statistics.share(beyond, len(apart)), len(apart), none=1 - statistics.CONFIDENCE, less=False)


def coloured(asked: Asked) -> Estimate:
    """By how much the columns differ in their kernels' share of colour, beyond what random halves do (6.1)."""
    apart = [columns_apart(*first_kernels(asked.lab, job)) for job in asked.jobs(asked.row.of[0])]
    return Estimate(*statistics.mean([each.difference - each.expected for each in apart]), len(apart), none=0.0)


def baseline(asked: Asked) -> Estimate:
    """The error rate of a baseline (section 6, Table 1) on the split that the nets are measured on.

    Its signatures lie beside meanwhile: killed, it goes on after the last descriptor that was done.
    """
    data, kind = asked.plan.dataset(), asked.row.kind
    assert kind == "fisher" or kind == "sparse"
    split, settings = tested(data), asked.plan.scale.baselines
    path = asked.lab.out / "baselines" / f"{data.identity}-{split}-{kind}-{settings}.json"
    beside = path.with_suffix("")

    def make() -> dict[str, Any]:
        return run_baseline(data, kind, split, quick=settings == "quick", workers=cores(), kept=beside).as_json()

    with turn(path.with_suffix(".lock")):
        scores = asked.lab.kept(path, make)
        shutil.rmtree(beside, ignore_errors=True)
    wrong = round(scores[f"{asked.row.key}_error"] * scores["images"])
    learnt, there = scores["learnt"], data.counts["train"]
    note = "" if learnt == there else f"learnt on {learnt:,} of the {there:,} training images"
    return Estimate(*statistics.share(wrong, scores["images"]), 1, note=note)


def alike(asked: Asked) -> Estimate:
    """The share of test images whose nearest training image, by `kind`, is of their class (6.1)."""
    same = likeness.agreeing(asked.lab, asked.jobs(asked.row.of[0])[0], asked.row.kind)
    return Estimate(*statistics.share(int(same.sum()), len(same)), 1, less=False)


def codes(asked: Asked) -> Estimate:
    """Mean average precision by label of a ranking by codes of `bits`, of `kind`, by `method` (6.1)."""
    row = asked.row
    for each in likeness.codes(asked.lab, asked.jobs(row.of[0])[0])["codes"]:
        if (each["of"], each["method"], each["bits"]) == (row.kind, row.method, row.bits):
            return Estimate(each["mean_average_precision"], math.nan, math.nan, 1, less=False)
    raise Failure(f"alexctl codes tells nothing of {row.method} with {row.bits} bits of {row.kind}")


MEASURES: dict[str, Callable[[Asked], Estimate]] = {
    each.__name__: each
    for each in (error, difference, averaged, gained, slower, longer, specialised, coloured, baseline, alike, codes)
}
