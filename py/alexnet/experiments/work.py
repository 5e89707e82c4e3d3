"""Doing the jobs: each training is a command of its own, so that one that fails costs no other.

They run side by side: a small net does not keep a machine busy, and its threads would wait for each other.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import ExitStack
from functools import partial

from alexnet.console import say
from alexnet.experiments.commands import ALEXCTL
from alexnet.experiments.jobs import Job, distinct
from alexnet.experiments.lab import Lab
from alexnet.experiments.turns import taken
from alexnet.files import held, write_whole
from alexnet.machine.hardware import Wanted, side_by_side
from alexnet.machine.launch import die_with_parent
from alexnet.runs.directory import LOCK

POLL_SECONDS = 0.1


class Work:
    """The trainings of a reproduction: those of one item, and, where a place would idle, the first of the next items'.

    `left` says at the end of each one's line how much there is to do, by the keys of those that have ended here. What
    fails is told and kept in its record, is not tried again here, and the others are done all the same.
    """

    def __init__(self, lab: Lab, left: Callable[[Set[str]], str] = lambda ended: "") -> None:
        self._lab, self._left = lab, left
        self._running: dict[str, Running] = {}
        self._places: list[Wanted] = []
        self._begun: set[str] = set()

    def do(self, jobs: Iterable[Job], ahead: Iterable[Job] = ()) -> bool:
        """Do what is not done yet of `jobs`, and begin some `ahead`, which may go on afterwards; False where all of
        `jobs` has been done or tried."""
        own = self._open(jobs)
        waiting = [job for job in self._open([*own, *ahead]) if job.key not in self._running]
        if own and not self._running:
            self._places = side_by_side(self._lab.wanted, len(waiting))
        keys, count = {job.key for job in own}, len(self._begun) + len(waiting)
        while not keys.isdisjoint([*(job.key for job in waiting), *self._running]):
            if self._places and (found := _next(self._lab, waiting, self._running.keys())):
                waiting.remove(found[0])
                self._begin(*found, count)
            elif ended := next((key for key, each in self._running.items() if each.ended()), None):
                self._places.append(self._running.pop(ended).place)
            else:
                time.sleep(POLL_SECONDS)
        return bool(own)

    def _open(self, jobs: Iterable[Job]) -> list[Job]:
        """Those that run, or are neither done nor tried; each after what it begins with."""
        return [
            job
            for key, job in distinct(list(jobs)).items()
            if key in self._running or not (key in self._begun or self._lab.finished(job))
        ]

    def _begin(self, job: Job, turn: ExitStack, count: int) -> None:
        ended = self._begun - self._running.keys()
        self._begun.add(job.key)
        if self._lab.finished(job):  # another process has done it
            turn.close()
            return
        label = f"[{len(self._begun)}/{count}]"
        say(f"{label} {job.source}: {job.name} ({job.key}){self._left(ended)}")
        self._running[job.key] = Running(self._lab, job, self._places.pop(0), turn, label)


def _next(lab: Lab, waiting: Sequence[Job], running: Set[str]) -> tuple[Job, ExitStack] | None:
    """The first job that can begin, with its lock: it begins with no other's weights that are still to come, no other
    process does it, nor is there a training of it still, whose parent was killed."""
    open_ = {job.key for job in waiting} | running
    for job in waiting:
        if job.after and job.after.key in open_:
            continue
        if (turn := taken(lab.runs / f"{job.key}.lock")) is None:
            continue
        if not held(lab.run(job) / LOCK):
            return job, turn
        turn.close()
    return None


class Running:
    """A job's command at its place, while it runs; what it says goes into the job's text.

    It is stopped where this process ends before.
    """

    def __init__(self, lab: Lab, job: Job, place: Wanted, turn: ExitStack, label: str) -> None:
        self.job, self.place = job, place
        self._lab, self._turn, self._label = lab, turn, label
        self._before, self._started = lab.record(job), time.monotonic()
        self._arguments = [*job.arguments(lab.runs), *place.arguments()]
        self._process: subprocess.Popen[bytes] | None = None
        if job.after and not lab.finished(job.after):
            self._keep(self._before | {"failed": f"what it begins with is not there: {job.after.key}"})
            return
        with lab.run(job).with_suffix(".txt").open("ab") as said:
            self._process = subprocess.Popen(
                [*ALEXCTL, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                preexec_fn=partial(die_with_parent, signal.SIGTERM),
            )

    def ended(self) -> bool:
        """Whether it has ended; how it went is then kept, and told where it failed."""
        if self._process:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if not pid:
                return False
            self._process.returncode = os.waitstatus_to_exitcode(status)
            record = {
                "command": ["alexctl", *self._arguments],
                "seconds": self._before.get("seconds", 0.0) + time.monotonic() - self._started,
                "peak_rss_mb": max(self._before.get("peak_rss_mb", 0.0), usage.ru_maxrss * 1024 / 1e6),
            }
            self._keep(
                record if self._process.returncode == 0 else record | {"failed": _last_line(self._lab, self.job)}
            )
        self._turn.close()
        return True

    def _keep(self, record: dict[str, object]) -> None:
        write_whole(self._lab.run(self.job).with_suffix(".json"), json.dumps(record, indent=1) + "\n")
        if failed := record.get("failed"):
            say(f"{self._label} failed: {failed}")


def _last_line(lab: Lab, job: Job) -> str:
    lines = lab.run(job).with_suffix(".txt").read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1].removeprefix("alexctl: ") if lines else "it said nothing"
