"""What came out: a claim's numbers beside the paper's, and the runs that they come from, as `report.json` has them."""

import math
from collections.abc import Iterator
from typing import Any

from alexnet.errors import Failure
from alexnet.experiments.claims import Claim, Row, ScaleName
from alexnet.experiments.jobs import Job, Plan
from alexnet.experiments.lab import Lab, tested
from alexnet.experiments.measures import MEASURES, Asked, found
from alexnet.experiments.sources import Missing
from alexnet.experiments.statistics import verdict
from alexnet.runs import log

Told = dict[str, Any]


def told(lab: Lab, plan: Plan, scale: ScaleName) -> Told:
    """A claim with its rows and runs; what is not there yet is "not run", with the reason."""
    claim = plan.claim
    jobs = {job.key: job for job in known(lab, plan)}
    return {
        **_about(claim),
        "scale": scale,
        "data": _data(plan),
        "rows": [_row(lab, plan, row) for row in claim.rows],
        "runs": {key: _facts(lab, job) for key, job in jobs.items()},
    }


def unseen(claim: Claim, scale: ScaleName) -> Told:
    """A claim of which nothing was run in this folder."""
    rows = [_cell(row) | {"note": f"alexctl reproduce {claim.name}"} for row in claim.rows]
    return {**_about(claim), "scale": scale, "data": "", "rows": rows, "runs": {}}


def _about(claim: Claim) -> Told:
    names = ("name", "section", "systems", "title", "statement", "comparable", "figures")
    return {name: getattr(claim, name) for name in names}


def _data(plan: Plan) -> str:
    try:
        data = plan.dataset()
    except Failure as failure:
        return str(failure)
    counts = ", ".join(f"{count} {split}" for split, count in data.counts.items() if count)
    chose = ", which also chose each net's checkpoint" if tested(data) == "val" else ""
    return f"{data.path.name}: {len(data.classes)} classes, {counts}; measured on the {tested(data)} images{chose}"


def known(lab: Lab, plan: Plan) -> Iterator[Job]:
    """The jobs of a plan as far as they can be known: those at the fastest rate once all rates were tried."""
    for training in plan.scale.trainings:
        try:
            yield from plan.swept(training.name).values()
            yield from found(lab, plan, training.name)
        except Missing:  # its rows say so
            continue


def _row(lab: Lab, plan: Plan, row: Row) -> Told:
    cell = _cell(row)
    try:
        if absent := {*row.of} - {training.name for training in plan.scale.trainings}:
            raise Failure(f"at the other scale only: {', '.join(sorted(absent))}")
        jobs = [job for name in row.of for job in found(lab, plan, name) or plan.swept(name).values()]
        cell["runs"] = [job.key for job in jobs]
        if lacking := [job for job in jobs if not lab.finished(job)]:
            raise Failure(lab.record(lacking[0]).get("failed") or f"{lacking[0].name}: not trained yet")
        estimate = MEASURES[row.measure](Asked(lab, plan, row))
    except Failure as failure:
        return cell | {"note": str(failure)}
    paper = None if row.paper == "none" else row.paper
    scale = 100.0 if row.unit in ("%", "points") else 1.0
    comparable = tested(plan.dataset()) == plan.scale.comparable
    return cell | {
        "ours": scale * estimate.value,
        "low": None if math.isnan(estimate.low) else scale * estimate.low,
        "high": None if math.isnan(estimate.high) else scale * estimate.high,
        "n": estimate.n,
        "note": estimate.note,
        "verdict": verdict(estimate, None if paper is None else paper / scale, comparable, row.over),
    }


def _cell(row: Row) -> Told:
    paper = None if row.paper == "none" else row.paper
    empty: Told = {"ours": None, "low": None, "high": None, "n": 0, "runs": [], "verdict": "not run"}
    return {"what": row.what, "unit": row.unit, "paper": paper, "over": row.over, "note": ""} | empty


def _facts(lab: Lab, job: Job) -> Told:
    """Where a run comes from: its command, recipe, commit, machine, time, peak memory, log."""
    record = lab.record(job)
    about = {
        "name": job.name,
        "recipe": job.source,
        "changes": list(job.changes),
        "seed": job.seed,
        "command": record.get("command", []),
        "failed": record.get("failed", ""),
        "peak_rss_mb": record.get("peak_rss_mb"),
        "finished": lab.finished(job),
        **dict.fromkeys(("log", "steps", "seconds", "commit", "machine", "device", "time")),
    }
    path = lab.run(job) / log.NAME
    if not path.is_file():
        return about
    rows = log.read(path)
    start: Told = next((row for row in rows if row.get("event") == "start"), {})
    speeds = [row["images_per_s"] for row in rows if row.get("images_per_s")]
    return about | {
        "log": str(path.relative_to(lab.out)),
        "steps": len(speeds),
        "seconds": sum(job.recipe.train.batch / speed for speed in speeds),
        **{name: start.get(name) for name in ("commit", "machine", "device", "time")},
    }
