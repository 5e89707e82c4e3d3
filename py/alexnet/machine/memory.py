"""How much memory is a process's to take: what the machine has left, and what each of its cgroups has."""

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from alexnet.machine.cgroups import PROC, SYS, groups


def available(proc: Path = PROC, sys: Path = SYS) -> float:
    """Bytes that this process and its children may take; infinite where nothing tells."""
    return min(_left(proc), *_left_by_groups(proc, sys), math.inf)


def _left(proc: Path) -> float:
    with suppress(OSError, ValueError):
        for line in (proc / "meminfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key == "MemAvailable":
                return 1024 * int(value.removesuffix("kB"))
    return math.inf


def _left_by_groups(proc: Path, sys: Path) -> Iterator[float]:
    """What every limit leaves this process; "max" is none, and version 1 has a number for none that is very large."""
    for group in groups("memory", proc, sys):
        used = _used(group)
        for file in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):
                yield max(int((group / file).read_text()) - used, 0)


def _used(group: Path) -> int:
    """Bytes of a group and those below it, without the files that are kept until somebody needs the room."""
    for file, inclusive in (("memory.current", ""), ("memory.usage_in_bytes", "total_")):
        with suppress(OSError, ValueError, KeyError):
            used = int((group / file).read_text())
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            return used - sum(int(stat[f"{inclusive}{age}_file"]) for age in ("active", "inactive"))
    return 0
