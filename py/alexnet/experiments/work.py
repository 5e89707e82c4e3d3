"""Doing the jobs: each training is a command of its own, so that one that fails costs no other."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from alexnet.console import say
from alexnet.experiments.commands import ALEXCTL
from alexnet.experiments.jobs import Job, distinct
from alexnet.experiments.lab import Lab
from alexnet.experiments.turns import turn, until_free
from alexnet.files import write_whole
from alexnet.machine.launch import die_with_parent
from alexnet.runs.directory import LOCK


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and the most memory that one of its processes held, in 10^6 bytes."""

    code: int
    peak_rss_mb: float


def work(lab: Lab, jobs: Iterable[Job]) -> None:
    """Do what is not done yet. What fails is told and kept in its record; the others are done all the same."""
    waiting = [job for job in distinct(list(jobs)).values() if not lab.finished(job)]
    for number, job in enumerate(waiting, 1):
        with turn(lab.runs / f"{job.key}.lock"):
            until_free(lab.run(job) / LOCK)  # of a training whose parent was killed
            if lab.finished(job):
                continue
            say(f"[{number}/{len(waiting)}] {job.source}: {job.name} ({job.key})")
            if failure := _train(lab, job):
                say(f"[{number}/{len(waiting)}] failed: {failure}")


def where(lab: Lab) -> list[str]:
    """The options of `alexctl` that say where trainings run."""
    wanted = lab.wanted
    asked = {"--gpus": wanted.gpus, "--device": wanted.device, "--procs": wanted.procs, "--threads": wanted.threads}
    return [part for name, value in asked.items() if value is not None for part in (name, str(value))]


def _train(lab: Lab, job: Job) -> str:
    """Train, and keep how that went; why it failed, or nothing."""
    before, started = lab.record(job), time.monotonic()
    arguments = [*job.arguments(lab.runs), *where(lab)]
    if job.after and not lab.finished(job.after):
        return _kept(lab, job, before | {"failed": f"what it begins with is not there: {job.after.key}"})
    ended = _run(lab, job, arguments)
    record = {
        "command": ["alexctl", *arguments],
        "seconds": before.get("seconds", 0.0) + time.monotonic() - started,
        "peak_rss_mb": max(before.get("peak_rss_mb", 0.0), ended.peak_rss_mb),
    }
    return _kept(lab, job, record if ended.code == 0 else record | {"failed": _last_line(lab, job)})


def _kept(lab: Lab, job: Job, record: dict[str, object]) -> str:
    write_whole(lab.run(job).with_suffix(".json"), json.dumps(record, indent=1) + "\n")
    return str(record.get("failed", ""))


def _run(lab: Lab, job: Job, arguments: Sequence[str]) -> Ended:
    """A command to its end; what it says goes into the job's text. It is stopped where this process ends before."""
    with lab.run(job).with_suffix(".txt").open("ab") as said:
        process = subprocess.Popen(
            [*ALEXCTL, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            preexec_fn=partial(die_with_parent, signal.SIGTERM),
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, usage.ru_maxrss * 1024 / 1e6)


def _last_line(lab: Lab, job: Job) -> str:
    lines = lab.run(job).with_suffix(".txt").read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1].removeprefix("alexctl: ") if lines else "it said nothing"
