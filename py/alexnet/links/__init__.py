"""How the processes of one training are placed, and how they exchange.

A net has columns; a process owns one of them or all. Processes that together own one net are a pair (a group of
as many processes as there are columns); further groups are replicas, which share the batch between them.
An exchange is a named pair: forward gathers the columns' maps, backward sums the gradients and keeps its own part
(paper, 3.2: the columns communicate at certain layers only).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import Floats, Own
from alexnet.errors import Failure


@dataclass(frozen=True)
class Place:
    """What a process owns: some columns of the net, a slice of every batch."""

    columns: int
    owned: range
    replica: int
    replicas: int

    @property
    def shares(self) -> int:
        """How many processes own the net together."""
        return self.columns // len(self.owned)

    def groups(self, split: bool) -> int:
        """How many of the process's columns do not see each other in a layer whose input is `split` into columns."""
        return len(self.owned) if split else 1

    def slice_of(self, count: int) -> range:
        """This replica's contiguous part of `count` images."""
        return range(self.replica * count // self.replicas, (self.replica + 1) * count // self.replicas)

    def parts_of(self, count: int) -> list[range]:
        """Each column's part of `count` maps, kernels or units: contiguous, near equal."""
        return [range(c * count // self.columns, (c + 1) * count // self.columns) for c in range(self.columns)]

    def rows_of(self, count: int) -> range:
        """The owned part of `count` maps, kernels or units."""
        owned = self.parts_of(count)[self.owned.start : self.owned.stop]
        return range(owned[0].start, owned[-1].stop)


def place(columns: int, processes: int, rank: int) -> Place:
    """The place of process `rank`: one process owns every column, more own one each.

    Raises Failure where the processes cannot be shared out.
    """
    if processes == 1:
        return Place(columns, range(columns), 0, 1)
    if processes % columns:
        raise Failure(f"{processes} processes cannot share a net of {columns} columns; use a multiple of {columns}")
    column = rank % columns
    return Place(columns, range(column, column + 1), rank // columns, processes // columns)


class Link(Protocol):
    """The exchanges of one process with the others."""

    place: Place
    rank: int

    def gather(self, own: Own, whole: Own) -> None:
        """Forward of a crossing: the maps of all columns, in the columns' order."""

    def scatter(self, whole: Own, own: Own) -> None:
        """Backward of a crossing: the sum of the columns' gradients, this column's maps of it."""

    def average(self, gradients: Sequence[Own]) -> None:
        """Sum over the replicas in place (each was computed with the whole batch's 1/n): begun here, where the link can
        beside the engine's work, and whole after `averaged`."""

    def averaged(self) -> None:
        """What comes next finds the sums whole."""

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over the replicas of a few numbers."""

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""

    def share(self, value: Any) -> Any:
        """The first process's value, in every process."""

    def rows(self, own: Floats) -> Floats | None:
        """The columns' rows put together, in the first process; None elsewhere."""

    def each(self, value: Any) -> list[Any]:
        """Every process's value, in every process."""

    def close(self) -> None:
        """The exchanges are over."""

    def images(self, own: NDArray[Any]) -> NDArray[Any] | None:
        """The replicas' images put together, in the first process; None elsewhere."""
