"""The signals that ask to stop: the first is heard; a second Ctrl-C ends at once, other further ones change nothing."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from alexnet.machine.world import started

# From a cluster or `kill`, Ctrl-C, a cluster before a job's limit, a terminal that is closed.
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)


class Signalled(BaseException):
    """A signal to stop came. Not a KeyboardInterrupt, which Typer would take for its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def hear(act: Callable[[int], None]) -> dict[int, Any]:
    """Let `act` be called with the first signal to stop; returns the handlers of before.

    What was ignored stays so: a hang-up under nohup, Ctrl-C in a script's background.
    """
    heard = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]

    def first(number: int, frame: FrameType | None) -> None:
        for each in heard:
            signal.signal(each, signal.SIG_DFL if each == signal.SIGINT else signal.SIG_IGN)
        act(number)

    return {number: signal.signal(number, first) for number in heard}


def raise_signalled(number: int) -> None:
    """End whatever is done, where nothing else was arranged."""
    raise Signalled(number)


class StopRequest:
    """Within its context a signal to stop only raises a flag; afterwards the signals mean what they did before."""

    def __init__(self) -> None:
        self.raised = False

    def __enter__(self) -> "StopRequest":
        self._before = hear(self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.raised and started() > 1:
            return  # every process ends now, and the launcher may pass on one signal twice
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int) -> None:
        self.raised = True
