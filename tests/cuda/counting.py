"""What the kernels of a training step move and multiply, counted on the simulated device, beside what they must.

The step runs at its true size with nothing computed; of large grids one block in SAMPLE runs.
"""

import ctypes
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from simulated import Options, SimulatedDevice

from alexnet.bench.kernels import Told, Underway
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Array, Stream, Triple, Values
from alexnet.links.solo import SoloLink
from alexnet.net.layers import Pass
from alexnet.net.net import Net
from alexnet.recipe import Recipe
from alexnet.recipe.topology import topology

SAMPLE = 16
ROOM = 4 << 30  # addresses of the device's memory; pages come as they are written
ALIGNMENT = 256
SIDE = 256  # of the images that `augment` crops


@dataclass
class Cost:
    """Of one kernel in a step: bytes of device memory that its threads read and write, multiply-adds that they make.

    `floor`: bytes that the operation must move, each operand and result once; `needed`: multiply-adds that it must
    make. Both are 0 of a kernel that only helps another.
    """

    launches: int = 0
    read: float = 0
    written: float = 0
    products: float = 0
    floor: int = 0
    needed: int = 0

    @property
    def moved(self) -> float:
        return self.read + self.written


class _Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in ("blocks", "loaded", "stored", "copied", "products")]


@dataclass
class _Place:
    address: int


class CountingDevice(SimulatedDevice):
    """Runs kernels to be counted, not for what they make; `costs` by layer or operation, and kernel."""

    def __init__(self) -> None:
        super().__init__("bf16", Options(poison=False, sample=SAMPLE), sanitizer="counts")
        self._memory = mmap.mmap(-1, ROOM, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._free = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._library.simt_counts.restype = _Counts
        self._library.simt_count_within(ctypes.c_void_p(self._free), ctypes.c_size_t(ROOM))
        self.costs: dict[tuple[str, str], Cost] = {}
        self.underway = Underway()

    def allocate(self, size: int) -> Any:
        place, self._free = _Place(self._free), self._free + -(-size // ALIGNMENT) * ALIGNMENT
        return place

    def launch(
        self, kernel: str, grid: Triple, block: Triple, arguments: Sequence[Values], stream: Stream | None = None
    ) -> None:
        super().launch(kernel, grid, block, arguments)
        counts = self._library.simt_counts()
        scale = grid[0] * grid[1] * grid[2] / counts.blocks
        cost = self._cost(kernel)
        cost.read += scale * (counts.loaded + counts.copied)
        cost.written += scale * counts.stored
        cost.products += scale * counts.products

    def gemm(self, a: Array, b: Array, c: Array, *, transpose_a: bool = False, transpose_b: bool = False) -> None:
        cost = self._cost(self.underway.name)
        cost.read += a.nbytes + b.nbytes
        cost.written += c.nbytes
        cost.products += c.size * (a.shape[0] if transpose_a else a.shape[1])

    def _cost(self, kernel: str) -> Cost:
        """Where a launch is noted: convolutions by layer, others together."""
        layer, floor, needed = self.underway.share(kernel)
        cost = self.costs.setdefault((layer, kernel), Cost())
        cost.launches, cost.floor, cost.needed = cost.launches + 1, cost.floor + floor, cost.needed + needed
        return cost


def count_step(recipe: Recipe, classes: int, batch: int) -> dict[tuple[str, str], Cost]:
    """Of each kernel of a training step in bf16 by one process, and of `augment`."""
    device = CountingDevice()
    engine = CudaEngine(device, records=False)
    engine.ops = Told(engine.ops, device.underway)  # type: ignore[assignment]
    shapes = topology(recipe.net, classes)
    net = Net(shapes, engine, SoloLink(recipe.net.columns), batch, training=True, watch=device.underway.within)
    crop = recipe.net.crop
    images = Array.empty(device, (3, crop, crop, batch), np.dtype(np.uint16))
    now = Pass(batch, batch, dropout=recipe.dropout, training=True)
    for _ in range(2):  # the first one makes the weights' copies, once
        device.costs.clear()
        net.step(images, now, lambda parameter: (0.1, 0.1), 0.9)
    mean = Array.empty(device, (SIDE, SIDE, 3), np.dtype(np.float32))
    views = np.zeros((batch, 2), np.int32), np.zeros(batch, np.uint8), np.zeros((batch, 3), np.float32)
    engine.ops.augment([np.zeros((SIDE, SIDE, 3), np.uint8)] * batch, mean, images, *views, divide=1.0)
    return device.costs
