"""Exchanges between processes over MPI, for arrays of the CPU engine: (blocks, maps, height, width, 16).

Maps travel as they are; their sums are float32.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from alexnet.engines import Floats
from alexnet.engines.maps import FLOAT, as_host, as_maps
from alexnet.errors import Failure, reason
from alexnet.links import place

Given = ParamSpec("Given")
Got = TypeVar("Got")


def together(exchange: Callable[Given, Got]) -> Callable[Given, Got]:
    """An exchange that raises Failure where another process is gone."""

    @wraps(exchange)
    def checked(*args: Given.args, **kwargs: Given.kwargs) -> Got:
        try:
            return exchange(*args, **kwargs)
        except MPI.Exception as error:
            raise Failure(f"another process is gone (MPI: {reason(error)}); run again with --resume") from error

    return checked


class MpiLink:
    """`columns` processes share a net, in rank order; further groups of as many are its replicas."""

    def __init__(self, columns: int) -> None:
        self.world = MPI.COMM_WORLD
        self.rank = self.world.Get_rank()
        self.place = place(columns, self.world.Get_size(), self.rank)
        self._group = self.world.Split(self.place.replica, self.rank)
        self._replicas = self.world.Split(self.place.owned.start, self.rank)
        self._parcels: dict[tuple[int, np.dtype[Any]], NDArray[Any]] = {}
        self._gradients: list[Any] = []  # to be summed

    @together
    def gather(self, own: Floats, whole: Floats) -> None:
        parts = self._parts(whole)
        parcel = self._parcel(whole.size, whole.dtype)
        counts = [part.size for part in parts]
        self._group.Allgatherv(own, [parcel, counts])
        for part, packed in zip(parts, np.split(parcel, np.cumsum(counts)[:-1]), strict=True):
            part[...] = packed.reshape(part.shape)

    @together
    def scatter(self, whole: Floats, own: Floats) -> None:
        parts = self._parts(whole)
        parcel = self._parcel(whole.size, FLOAT)
        counts = [part.size for part in parts]
        for part, packed in zip(parts, np.split(parcel, np.cumsum(counts)[:-1]), strict=True):
            packed.reshape(part.shape)[...] = as_host(part)
        sums = own if own.dtype == FLOAT else np.empty(own.shape, FLOAT)
        self._group.Reduce_scatter(parcel, sums, counts, MPI.SUM)
        if sums is not own:
            own[...] = as_maps(sums, own.dtype)

    def average(self, gradients: Sequence[Floats]) -> None:
        """Only noted: MPI has nobody to go on with it beside the engine's work."""
        if self.place.replicas > 1:
            self._gradients += gradients

    @together
    def averaged(self) -> None:
        for each in self._gradients:
            self._sum(each)
        self._gradients.clear()

    def _sum(self, gradient: Floats) -> None:
        self._replicas.Allreduce(MPI.IN_PLACE, gradient, MPI.SUM)

    @together
    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        result = np.empty_like(values)
        self._replicas.Allreduce(values, result, MPI.SUM)
        return result

    @together
    def any(self, flag: bool) -> bool:
        return bool(self.world.allreduce(int(flag), MPI.MAX))

    @together
    def share(self, value: Any) -> Any:
        return self.world.bcast(value, root=0)

    @together
    def rows(self, own: Floats) -> Floats | None:
        if self.place.replica:
            return None
        counts = self._group.gather(own.size, root=0)
        if counts is None:
            self._group.Gatherv(own, None, root=0)
            return None
        whole = np.empty((sum(counts) // own[0].size, *own.shape[1:]), own.dtype)
        self._group.Gatherv(own, [whole, counts], root=0)
        return whole

    @together
    def each(self, value: Any) -> list[Any]:
        return self.world.allgather(value)

    def close(self) -> None:
        pass

    @together
    def images(self, own: NDArray[Any]) -> NDArray[Any] | None:
        if self.place.owned.start:
            return None
        parts = self._replicas.gather(own, root=0)
        return None if parts is None else np.concatenate(parts)

    def _parts(self, whole: Floats) -> list[Floats]:
        """Each column's maps of `whole`, as views."""
        return [whole[:, part.start : part.stop] for part in self.place.parts_of(whole.shape[1])]

    def _parcel(self, size: int, kind: np.dtype[Any]) -> NDArray[Any]:
        """The columns' maps side by side, as they travel; one buffer a size and kind, made once."""
        if (size, kind) not in self._parcels:
            self._parcels[size, kind] = np.empty(size, kind)
        return self._parcels[size, kind]
