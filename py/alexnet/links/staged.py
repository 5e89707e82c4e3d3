"""Exchanges of device arrays through the host and MPI: for processes that share one GPU, which NCCL refuses."""

import numpy as np
from mpi4py import MPI

from alexnet.engines import Own
from alexnet.engines.cuda.device import Array
from alexnet.engines.maps import as_maps
from alexnet.links import Place
from alexnet.links.mpi import MpiLink, together


def column_sizes(whole: Array, place: Place) -> list[int]:
    """How many values of `whole` are each column's."""
    maps = whole.shape[0]
    return [len(part) * (whole.size // maps) for part in place.parts_of(maps)]


class StagedLink(MpiLink):
    """Maps are (C, H, W, N): a column's maps are a contiguous part, so they travel as they lie; sums are float32."""

    @together
    def gather(self, own: Own, whole: Own) -> None:
        values = np.empty(whole.shape, np.float32)
        counts = column_sizes(whole, self.place)
        self._group.Allgatherv(own.download(), [values, counts])
        whole[...] = as_maps(values, whole.dtype)

    @together
    def scatter(self, whole: Own, own: Own) -> None:
        values = np.empty(own.shape, np.float32)
        self._group.Reduce_scatter(whole.download(), values, column_sizes(whole, self.place), MPI.SUM)
        own[...] = as_maps(values, own.dtype)

    def _sum(self, gradient: Own) -> None:
        values = gradient.download()
        super()._sum(values)
        gradient[...] = values
