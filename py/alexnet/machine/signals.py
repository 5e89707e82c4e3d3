"""The signals that ask to stop: the first is heard; a second Ctrl-C ends at once, other further ones change nothing."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from alexnet.machine.world import started

# What a cluster sends ahead of a job's limit, and mpiexec does not know: LSF and Grid Engine.
UNKNOWN_TO_MPIEXEC = (signal.SIGUSR2, signal.SIGXCPU)
# From a cluster or `kill`, Ctrl-C, a cluster ahead of a job's limit, a terminal that is closed.
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, *UNKNOWN_TO_MPIEXEC)


@contextmanager
def heard(act: Callable[[int], None], *, once: bool = False) -> Iterator[None]:
    """Within this context `act` is called with the first signal to stop; afterwards they mean what they did before.

    What is ignored stays so: a hang-up under nohup, Ctrl-C in a script's background. `once`: after a first signal
    they go on to change nothing also afterwards. `act` may be called between any two lines: it raises nothing, for
    what was interrupted may be an import or a start of a process, which then would be neither done nor undone.
    """
    numbers = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    came = False

    def first(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        for each in numbers:
            signal.signal(each, signal.SIG_DFL if each == signal.SIGINT else _nothing)
        act(number)

    before = {number: signal.signal(number, first) for number in numbers}
    try:
        yield
    finally:
        if not (once and came):
            for number, handler in before.items():
                signal.signal(number, handler)


def hold() -> None:
    """Let signals wait: one of several processes that ended before MPI joins them would leave the others waiting."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)


def release() -> None:
    """Hear the signals that waited."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def _nothing(number: int, frame: FrameType | None) -> None:
    """In the place of SIG_IGN, which the processes that are started would inherit."""


@dataclass
class StopRequest:
    """Whether a signal to stop came."""

    raised: bool = False


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Within this context a signal to stop only raises a flag. Of several processes, all end once it was raised."""
    stop = StopRequest()

    def note(number: int) -> None:
        stop.raised = True

    with heard(note, once=started() > 1):
        yield stop
