"""The CUDA engine: kernels of engine/cuda on a device, maps as (C, H, W, N) with the image innermost."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import Floats, Move, Scalar
from alexnet.engines.cuda.device import Array, Device
from alexnet.engines.cuda.operations import CudaOperations
from alexnet.engines.cuda.recorder import Recorder
from alexnet.engines.maps import as_maps, map_type

LANES = 8  # images are rounded up to a multiple, so that 16 bytes of a map never span two pixels


class CudaEngine:
    """Memory and operations of one device (`gpu.GpuDevice`, or the tests' likeness of one).

    With `records`, repeated work becomes a CUDA graph; work that meets the host on its way (a link's exchange staged
    through it) cannot be one.
    """

    rectifies = masks = True
    fused = None

    def __init__(self, device: Device, *, records: bool = True) -> None:
        self.device, self.records = device, records
        self.ops = CudaOperations(device)
        self._recorder = Recorder(device, records)
        self._map = map_type(device.precision)

    def for_test(self, images: int) -> "CudaEngine":
        return self

    def beside(self) -> "CudaEngine":
        return self

    def maps(self, images: int, maps: int, height: int, width: int, *, within: Array | None = None) -> Array:
        shape = (maps, height, width, -(-images // LANES) * LANES)
        return Array.empty(self.device, shape, self._map) if within is None else within.reshape(*shape)

    def bytes_like(self, maps: Array) -> Array:
        return Array.empty(self.device, maps.shape, np.dtype(np.uint8))

    def upload(self, values: NDArray[Any]) -> Array:
        array = Array.empty(self.device, values.shape, values.dtype)
        array[...] = values
        return array

    def download(self, values: Array) -> NDArray[Any]:
        return values.download()

    def pack(self, values: Floats, out: Array) -> None:
        plain = np.zeros((out.shape[3], *out.shape[:3]), np.float32)
        plain[: len(values)] = values
        inner = np.ascontiguousarray(plain.transpose(1, 2, 3, 0))
        out[...] = as_maps(inner, out.dtype)

    def unpack(self, values: Array, images: int) -> Floats:
        return np.ascontiguousarray(values.download().transpose(3, 0, 1, 2)[:images])

    def repeat(
        self, work: Callable[[Sequence[Scalar]], None], numbers: Sequence[float], fixed: tuple[Any, ...]
    ) -> None:
        self._recorder.repeat(work, numbers, fixed)

    def descend(self, moves: Sequence[Move], /) -> None:
        self.ops.descend(moves)

    def tally(self, probs: Array, labels: Array, losses: Array, sums: Array, /) -> None:
        self.ops.tally(probs, labels, losses, sums)

    def fetch(self, values: Array) -> Callable[[], NDArray[Any]]:
        host = self.device.pinned(values.nbytes).view(values.dtype).reshape(values.shape)
        self.device.begin_to_host(values.address, host)
        mark = self.device.mark()

        def read() -> NDArray[Any]:
            self.device.wait(mark)
            return host

        return read

    def mark(self) -> Any:
        return self.device.mark()

    def seconds(self, begin: Any, end: Any) -> float:
        return self.device.seconds(begin, end)
