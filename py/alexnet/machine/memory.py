"""How much memory is a process's to take: what the machine has left, under the limits of its cgroups."""

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from alexnet.machine.cgroups import PROC, SYS, groups


def available(proc: Path = PROC, sys: Path = SYS) -> float:
    """Bytes that this process and its children may take; infinite where nothing tells."""
    return min(_left(proc), *_limits(proc, sys), math.inf)


def _left(proc: Path) -> float:
    with suppress(OSError, ValueError):
        for line in (proc / "meminfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key == "MemAvailable":
                return 1024 * int(value.removesuffix("kB"))
    return math.inf


def _limits(proc: Path, sys: Path) -> Iterator[float]:
    """Every limit on this process's memory; "max" is none, and version 1 has a number for none that is very large."""
    for group in groups("memory", proc, sys):
        for file in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):
                yield int((group / file).read_text())
