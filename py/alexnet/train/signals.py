"""A request to stop, from whoever may send one: SIGTERM, SIGINT, or the SIGUSR1 that clusters send before a limit."""

import signal
from types import FrameType, TracebackType

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class StopRequest:
    """Within its context the signals only raise a flag; afterwards they mean what they did before."""

    def __init__(self) -> None:
        self.raised = False

    def __enter__(self) -> "StopRequest":
        self._before = {number: signal.signal(number, self._note) for number in STOPPING}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.raised = True
