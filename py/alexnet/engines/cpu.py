"""The CPU engine: C++ operations on blocks of 16 images, the image innermost: (blocks, maps, height, width, 16)."""

import time
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import Floats, Fused, Move, Operations, Precision, Scalar, native
from alexnet.engines.maps import as_host, as_maps, map_type
from alexnet.metrics import misses

Values = NDArray[Any]


class CpuOperations(Operations, Fused, Protocol):
    """What the compiled module's classes have."""


class CpuEngine:
    """Memory is NumPy's; the operations are the compiled module's, over `threads` threads.

    `fast` convolutions go by Winograd's method where that pays (engine/cpu/winograd.hpp). In "bf16" all maps and their
    gradients are bf16; weights, their momenta and gradients, and all sums are float32 (engine/cpu/bf16.hpp).
    Raises Failure where the processor cannot.
    """

    records, rectifies, masks = False, True, False

    def __init__(self, threads: int, *, fast: bool = True, precision: Precision = "fp32") -> None:
        module = native.bf16() if precision == "bf16" else native.module()
        self.threads, self.fast, self.precision = threads, fast, precision
        kind = module.Bf16 if precision == "bf16" else module.Fast if fast else module.Direct
        self.ops: CpuOperations = kind(threads=threads)
        self.lanes = int(module.LANES)
        self._map = map_type(precision)

    @property
    def fused(self) -> Fused | None:
        return self.ops

    def for_test(self, images: int) -> "CpuEngine":
        """A single image has a layout of its own in fp32: it is not worth a block of sixteen."""
        return OneImageEngine(self.threads) if images == 1 and self.precision == "fp32" else self

    def beside(self) -> "CpuEngine":
        """One thread: the others are the training's."""
        return CpuEngine(1, fast=self.fast, precision=self.precision)

    def maps(self, images: int, maps: int, height: int, width: int, *, within: Values | None = None) -> Values:
        shape = (-(-images // self.lanes), maps, height, width, self.lanes)
        return np.empty(shape, self._map) if within is None else within.ravel()[: prod(shape)].reshape(shape)

    def bytes_like(self, maps: Values) -> NDArray[np.uint8]:
        return np.empty(maps.shape, np.uint8)

    def upload(self, values: Values) -> Values:
        return np.ascontiguousarray(values)

    def download(self, values: Values) -> Values:
        return as_host(values)

    def pack(self, values: Floats, out: Values) -> None:
        blocks, *shape, lanes = out.shape
        padded = np.zeros((blocks * lanes, *shape), np.float32)
        padded[: len(values)] = values
        out[...] = as_maps(padded, out.dtype).reshape(blocks, lanes, *shape).transpose(0, 2, 3, 4, 1)

    def unpack(self, values: Values, images: int) -> Floats:
        blocks, *shape, lanes = values.shape
        plain = as_host(values).transpose(0, 4, 1, 2, 3).reshape(blocks * lanes, *shape)
        return np.ascontiguousarray(plain[:images])

    def repeat(
        self, work: Callable[[Sequence[Scalar]], None], numbers: Sequence[float], fixed: tuple[Any, ...]
    ) -> None:
        del fixed
        work(numbers)

    def descend(self, moves: Sequence[Move], /) -> None:
        for each in moves:
            self.ops.sgd(each.w, each.v, each.g, rate=each.rate, momentum=each.momentum, decay=each.decay)

    def tally(self, probs: Values, labels: Values, losses: Values, sums: Values, /) -> None:
        sums[:] = losses.sum(), misses(self.unpack(probs, len(labels))[:, :, 0, 0], labels, 1)

    def fetch(self, values: Values) -> Callable[[], Values]:
        kept = values.copy()
        return lambda: kept

    def mark(self) -> float:
        return time.perf_counter()

    def seconds(self, begin: float, end: float) -> float:
        return end - begin


class OneImageEngine(CpuEngine):
    """Test-time passes of one image in the plain form (1, maps, height, width)."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.ops = native.module().OneImage(threads=threads)

    @property
    def fused(self) -> None:
        """What a net needs at test time joins nothing."""

    def maps(self, images: int, maps: int, height: int, width: int, *, within: Floats | None = None) -> Floats:
        assert images == 1 and within is None
        return np.empty((images, maps, height, width), np.float32)

    def pack(self, values: Floats, out: Floats) -> None:
        out[...] = values

    def unpack(self, values: Floats, images: int) -> Floats:
        return values.copy()
