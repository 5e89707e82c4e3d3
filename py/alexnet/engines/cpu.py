"""The CPU engine: C++ operations on blocks of 16 images, the image innermost: (blocks, maps, height, width, 16)."""

import time
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from alexnet import native
from alexnet.engines import Floats, Operations, Scalar


class CpuEngine:
    """Memory is NumPy's; the operations are the compiled module's, over `threads` threads."""

    records = rectifies = False

    def __init__(self, threads: int) -> None:
        module = native.module()
        module.set_threads(threads)
        self.ops = cast(Operations, module)
        self.lanes = int(module.LANES)

    def maps(self, images: int, maps: int, height: int, width: int, *, within: Floats | None = None) -> Floats:
        shape = (-(-images // self.lanes), maps, height, width, self.lanes)
        return np.empty(shape, np.float32) if within is None else within.ravel()[: prod(shape)].reshape(shape)

    def bytes_like(self, maps: Floats) -> NDArray[np.uint8]:
        return np.empty(maps.shape, np.uint8)

    def upload(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(values)

    def download(self, values: NDArray[Any]) -> NDArray[Any]:
        return values

    def pack(self, values: Floats, out: Floats) -> None:
        blocks, *shape, lanes = out.shape
        padded = np.zeros((blocks * lanes, *shape), np.float32)
        padded[: len(values)] = values
        out[...] = padded.reshape(blocks, lanes, *shape).transpose(0, 2, 3, 4, 1)

    def unpack(self, values: Floats, images: int) -> Floats:
        blocks, *shape, lanes = values.shape
        plain = values.transpose(0, 4, 1, 2, 3).reshape(blocks * lanes, *shape)
        return np.ascontiguousarray(plain[:images])

    def repeat(
        self, work: Callable[[Sequence[Scalar]], None], numbers: Sequence[float], fixed: tuple[Any, ...]
    ) -> None:
        del fixed
        work(numbers)

    def mark(self) -> float:
        return time.perf_counter()

    def seconds(self, begin: float, end: float) -> float:
        return end - begin
