"""The simulated device's streams and graphs: each does what CUDA allows it to do, as late as CUDA allows."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alexnet.engines.cuda.device import Stream

Work = Callable[[], Any]


class MainStream:
    """Runs what it is given at once, or records it while a graph is captured; other threads wait meanwhile.

    A graph, or a copy from or to the host, runs as late as it may: when more work comes, or somebody waits.
    """

    def __init__(self) -> None:
        self._recorded: list[Work] | None = None
        self._late: list[Work] = []
        self._lock = threading.RLock()

    def give(self, work: Work) -> None:
        with self._lock:
            if self._recorded is not None:
                self._recorded.append(work)
                return
            self.catch_up()
        work()

    def give_late(self, work: Work) -> None:
        with self._lock:
            self.catch_up()
            self._late.append(work)

    def catch_up(self) -> None:
        with self._lock:
            while self._late:
                self._late.pop(0)()

    def record(self, work: Work) -> "Recording":
        with self._lock:
            self._recorded = []
            try:
                work()
                return Recording(self, self._recorded)
            finally:
                self._recorded = None

    def refuse_capture(self, what: str) -> None:
        """Raises RuntimeError where CUDA would refuse `what`, or run it once instead of at each launch."""
        with self._lock:
            if self._recorded is not None:
                raise RuntimeError(f"{what} while a graph is captured")

    def wait_for(self, other: Stream) -> None:
        self.refuse_capture("a wait for another stream")
        self.catch_up()
        other.synchronize()

    def synchronize(self) -> None:
        self.refuse_capture("a wait of the host")
        self.catch_up()


class SideStream:
    """Runs what it is given only when somebody waits for it."""

    def __init__(self) -> None:
        self._work: list[Work] = []

    def give(self, work: Work) -> None:
        self._work.append(work)

    def wait_for(self, other: Stream) -> None:
        self.give(other.synchronize)

    def synchronize(self) -> None:
        while self._work:
            self._work.pop(0)()


@dataclass
class Recording:
    """A captured graph."""

    stream: MainStream
    work: list[Work]

    def launch(self) -> None:
        def run() -> None:
            for each in self.work:
                each()

        self.stream.give_late(run)
