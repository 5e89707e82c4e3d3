"""Work that is given once and run many times: a CUDA graph for each form of it, its changing numbers in memory."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alexnet.engines import Scalar
from alexnet.engines.cuda.device import NUMBER, Array, Device, Graph

KEPT = 8  # forms of the work; a step has one for each of the loader's buffers
TURNS = 4  # of numbers on their way to the device


class Recorder:
    """Runs work of one form plainly the first time, records it the second, and launches the record from then on.

    The first time allocates and compiles what the work needs; a record holds addresses, so that must not move later.
    """

    def __init__(self, device: Device, records: bool) -> None:
        self._device, self._records = device, records
        self._known: dict[tuple[Any, ...], Graph | None] = {}
        self._numbers = Array.empty(device, (0,), NUMBER)
        self._host = np.empty((TURNS, 0), NUMBER)
        self._turn = 0
        self._marks: list[Any] = []  # after each turn's copy, the oldest first
        self._written: list[float] = []

    def repeat(
        self, work: Callable[[Sequence[Scalar]], None], numbers: Sequence[float], fixed: tuple[Any, ...]
    ) -> None:
        """work(places of the numbers), by way of a graph where `fixed` has been met before."""
        if len(numbers) > len(self._numbers):
            self._known.clear()
            self._numbers = Array.empty(self._device, (len(numbers),), NUMBER)
            for mark in self._marks:
                self._device.wait(mark)
            pinned = self._device.pinned(TURNS * self._numbers.nbytes)
            self._host, self._marks = pinned.view(NUMBER).reshape(TURNS, len(numbers)), []
        if list(numbers) != self._written[: len(numbers)]:
            self._write(list(numbers))
        places = [self._numbers[at] for at in range(len(numbers))]
        if not self._records or fixed not in self._known:
            self._keep(fixed, None)
            work(places)
            return
        graph = self._known.pop(fixed) or self._device.capture(lambda: work(places))
        self._keep(fixed, graph)
        graph.launch()

    def _write(self, numbers: list[float]) -> None:
        """In the order of the work, without a wait for it: only for the turn that has this place on the host."""
        if len(self._marks) == TURNS:
            self._device.wait(self._marks.pop(0))
        place = self._host[self._turn % TURNS, : len(numbers)]
        place[:] = numbers
        self._device.to_device(place, self._numbers.address)
        self._marks.append(self._device.mark())
        self._turn, self._written = self._turn + 1, numbers + self._written[len(numbers) :]

    def _keep(self, fixed: tuple[Any, ...], graph: Graph | None) -> None:
        """The newest last; the oldest goes where there are too many."""
        self._known[fixed] = graph
        if len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
