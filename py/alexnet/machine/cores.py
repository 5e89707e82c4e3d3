"""How many cores are a process's to keep busy: of those it may run on, under its quotas, less what others here take."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from alexnet.machine.cgroups import PROC, SYS, groups


@dataclass(frozen=True)
class Allowed:
    """What one process may use: hardware threads and their cores, and as much time of them as its cgroup has."""

    threads: frozenset[int]
    cores: frozenset[str]
    quota: float = math.inf
    group: str = ""

    def __str__(self) -> str:
        count = len(self.cores)
        less = f", of which a quota allows {self.quota:.3g}" if self.quota < count else ""
        return f"{count} core{'s' * (count > 1)}{less}"


def allowed(proc: Path = PROC, sys: Path = SYS) -> Allowed:
    """What this process may use."""
    threads = _affinity()
    quota, group = min(_quotas(proc, sys), default=(math.inf, ""))
    return Allowed(threads, frozenset(_core(each, sys) for each in threads), quota, group)


def share(own: Allowed, here: Sequence[Allowed]) -> int:
    """Cores for one of the processes on this machine, itself among `here`.

    A core is shared by those that may run on it, a quota by those in its cgroup: processes that are bound to cores
    of their own keep them all.
    """
    by_core = sum(1 / sum(core in each.cores for each in here) for core in own.cores)
    by_quota = own.quota / sum(each.group == own.group for each in here)
    return max(1, int(min(by_core, by_quota) + 1e-6))


def cores() -> int:
    """Cores for this process alone; two threads of one core compute no faster than one."""
    own = allowed()
    return share(own, [own])


def threads() -> int:
    """Hardware threads for this process alone: as many jobs that wait for memory and files now and then."""
    own = allowed()
    return max(1, int(min(len(own.threads), own.quota)))


def _affinity() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _core(thread: int, sys: Path) -> str:
    """The core that a hardware thread belongs to, by the list of its threads."""
    try:
        return (sys / f"devices/system/cpu/cpu{thread}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(thread)


def _quotas(proc: Path, sys: Path) -> Iterator[tuple[float, str]]:
    """Every limit on this process's time, in cores, and the cgroup that it is shared in."""
    for group in groups("cpu", proc, sys):
        yield from _limit(group, ["cpu.max"])
        yield from _limit(group, ["cpu.cfs_quota_us", "cpu.cfs_period_us"])


def _limit(group: Path, files: list[str]) -> Iterator[tuple[float, str]]:
    """The group's quota over its period; "max" or -1 is none."""
    with suppress(OSError, ValueError):
        quota, period = " ".join((group / each).read_text() for each in files).split()
        if quota not in ("max", "-1"):
            yield int(quota) / int(period), str(group)
