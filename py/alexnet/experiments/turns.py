"""Work that several processes may be about to do: one does it, the others wait and find it done."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from alexnet.errors import Failure
from alexnet.files import held, locked, writing

POLL_SECONDS = 0.5
HELD = "held"


@contextmanager
def turn(lock: Path) -> Iterator[None]:
    """Hold a lock file, made where it is absent, once whoever holds it has ended."""
    with writing(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as holding:
        while True:
            try:
                holding.enter_context(locked(lock, HELD))
                break
            except Failure as failure:
                if str(failure) != HELD:
                    raise
            time.sleep(POLL_SECONDS)
        yield


def until_free(lock: Path) -> None:
    """Return when no other process holds the lock file."""
    while held(lock):
        time.sleep(POLL_SECONDS)
