"""Work that several processes may be about to do: one does it, the others wait and find it done."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from alexnet.files import Held, locked, writing

POLL_SECONDS = 0.5


def taken(lock: Path) -> ExitStack | None:
    """Hold a lock file, made where it is absent, until what is returned is closed; None while another process does."""
    with writing(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as holding:
        try:
            holding.enter_context(locked(lock, "another process does it"))
        except Held:
            return None
        return holding.pop_all()


@contextmanager
def turn(lock: Path) -> Iterator[None]:
    """Hold a lock file, once whoever holds it has ended."""
    while (holding := taken(lock)) is None:
        time.sleep(POLL_SECONDS)
    with holding:
        yield
