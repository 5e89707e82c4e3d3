"""Times of work and of its parts, over repetitions and processes."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alexnet.engines import Engine
from alexnet.links import Link

Gather = Callable[[Any], list[Any]]  # every process's value, in every process
Times = dict[str, float]

WHOLE = "step"


class Stopwatch:
    """Adds up the seconds of each part that it is entered for: a net's `watch`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._spent: Times = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        start = self._engine.mark()
        try:
            yield
        finally:
            seconds = self._engine.seconds(start, self._engine.mark())
            self._spent[part] = self._spent.get(part, 0.0) + seconds

    def rows(self, act: Callable[[], None], repeat: int, link: Link) -> list[Times]:
        """For each repetition of `act` the seconds by part, and of the whole."""
        rows = []
        for _ in range(repeat):
            link.any(False)  # all processes begin together
            self._spent = {}
            with self(WHOLE):
                act()
            rows.append(self._spent)
        return rows


def medians(rows: list[Times], gather: Gather) -> Times:
    """For each part the median over the repetitions of the slowest process's seconds."""
    together = list(zip(*gather(rows), strict=True))
    return {name: statistics.median(max(row[name] for row in at_once) for at_once in together) for name in rows[0]}
