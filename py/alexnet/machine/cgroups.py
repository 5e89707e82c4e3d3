"""The control groups that this process is in, of either version, as Linux tells them."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

PROC, SYS = Path("/proc"), Path("/sys")  # where Linux tells them


def groups(controller: str, proc: Path, sys: Path) -> Iterator[Path]:
    """The group that limits this process by a controller ("cpu", "memory"), and each above it.

    In a container the path may be the host's: then only the root is there.
    """
    with suppress(OSError, ValueError):
        for line in (proc / "self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            root = sys / "fs/cgroup" / (controller if controllers else "")  # version 1 has a tree for each
            inside = PurePosixPath(path).relative_to("/")
            yield from (root / each for each in (inside, *inside.parents))
