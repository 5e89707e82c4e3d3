"""Engines under test: plain arrays in and out, at one precision's bound.

With ALEXNET_GPU=1 the device is the first real one, else the simulated one.
"""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulated import Options, SimulatedDevice, compile_kernels

from alexnet.engines import Precision
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Array, Device
from alexnet.engines.cuda.gpu import GpuDevice, GpuMemory
from alexnet.engines.cuda.sources import source_directory
from alexnet.engines.maps import from_bf16, to_bf16

REAL = os.environ.get("ALEXNET_GPU") == "1"
SEEDS = [0] if REAL else [1, 2, 3]
RUNS = SEEDS * 2 if REAL else SEEDS  # of what no order of threads may change; a GPU has an order of its own
BOUND: dict[Precision, float] = {"fp32": 1e-5, "tf32": 1e-3, "bf16": 1e-2}


class PoisonedGpu(GpuDevice):
    """CuPy's pool hands out what the test before left, often the right answer: here memory is NaN, as simulated."""

    def allocate(self, size: int) -> GpuMemory:
        memory = super().allocate(size)
        self._cupy.cuda.runtime.memsetAsync(memory.address, 0xFF, size, self.main.handle.ptr)
        return memory


@cache
def device(precision: Precision, seed: int, threads: int = 1) -> Device:
    if REAL:
        return PoisonedGpu(0, precision)
    return SimulatedDevice(precision, Options(seed=seed, threads=threads))


def compile_engine(precision: Any) -> None:
    """Before processes that would all compile it."""
    compile_kernels(source_directory() / "engine.cu", precision)


@dataclass
class Bench:
    """Arrays that come from `empty` start out as NaN."""

    engine: CudaEngine
    precision: Precision

    @property
    def ops(self) -> Any:
        return self.engine.ops

    def values(self, random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
        """Normal values that the precision's products take exactly."""
        return self.rounded(random.standard_normal(shape).astype(np.float32))

    def rounded(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.precision == "tf32":
            bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
            return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)
        return from_bf16(to_bf16(values)) if self.precision == "bf16" else values

    def maps(self, values: NDArray[np.float32]) -> Array:
        array = self.engine.maps(*values.shape)
        self.engine.pack(values, array)
        return array

    def empty(self, *shape: int) -> Array:
        return self.engine.maps(*shape)

    def plain(self, array: Array, images: int) -> NDArray[np.float32]:
        return self.engine.unpack(array, images)

    def upload(self, values: NDArray[Any]) -> Array:
        return self.engine.upload(values)

    def number(self, value: float) -> Array:
        """A scalar that may change in recorded work."""
        return self.engine.upload(np.array(value, np.float64))

    def poisoned(self, values: NDArray[Any]) -> Array:
        """Memory for such values, all NaN."""
        return self.engine.upload(np.full(values.shape, np.nan, values.dtype))

    def close(self, found: Any, wanted: Any, size: Any = None, through: Any = 0.0) -> None:
        """Maps are right but for their type's rounding, and 1e-5 of the largest value, or of each one's `size`.

        `through`: maps that were rounded on the way.
        """
        rounding = (np.abs(wanted) + np.abs(through)) * (2**-8 if self.precision == "bf16" else 0.0)
        self._within(found, wanted, 1e-5 * (np.abs(wanted).max() if size is None else size) + rounding)

    def near(self, found: Any, wanted: Any, bound: float = 1e-5) -> None:
        """Float32 results, in every precision, are within a bound of the largest value."""
        self._within(found, wanted, bound * np.abs(wanted).max())

    def _within(self, found: Any, wanted: Any, allowed: Any) -> None:
        assert found.shape == wanted.shape
        assert np.isfinite(found).all(), "a NaN came through"
        error = np.abs(found - wanted)
        worst = np.unravel_index((error - allowed).argmax(), error.shape)
        assert (error <= allowed + 1e-30).all(), f"at {worst}: {found[worst]} for {wanted[worst]}"
