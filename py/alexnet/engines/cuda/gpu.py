"""A real device: CuPy's memory, streams and graphs, the kernels as one RawModule, cuBLAS for dense products."""

import ctypes
import importlib
import platform
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import Precision
from alexnet.engines.cuda.cublas import WORKSPACE, Products
from alexnet.engines.cuda.device import Array, Stream, Triple, Values, packed
from alexnet.engines.cuda.sources import load
from alexnet.errors import Failure, reason

LEAST_CAPABILITY = 8.0  # of the kernels: asynchronous copies, bf16


def import_cupy() -> Any:
    """CuPy, with a driver and a GPU behind it. Raises Failure saying which of them is missing."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        why = reason(error)
        raise Failure(f"CuPy cannot be loaded ({why}); pip install cupy-cuda13x, or use `--device cpu`") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise Failure(f"CUDA finds no usable GPU ({reason(error)}); use `--device cpu`") from error
    if not count:
        raise Failure("CUDA finds no GPU; use `--device cpu`")
    return cupy


class GpuMemory:
    """Bytes of CuPy's pool."""

    def __init__(self, pointer: Any) -> None:
        self._pointer = pointer
        self.address = int(pointer.ptr)


class Turn:
    """One thread at a time gives work to a GPU, which is then that thread's current one.

    It stays so afterwards: a process has one GPU, and CUDA 12 sets up a context on any that is made current.
    """

    def __init__(self, gpu: Any) -> None:
        self._gpu, self._lock = gpu, threading.RLock()

    def __enter__(self) -> None:
        self._gpu.use()
        self._lock.acquire()

    def __exit__(self, *why: object) -> None:
        self._lock.release()


class GpuStream:
    """A CUDA stream that does not wait for the default one."""

    def __init__(self, cupy: Any, turn: Turn) -> None:
        self.handle = cupy.cuda.Stream(non_blocking=True)
        self._turn = turn

    def wait_for(self, other: Stream) -> None:
        assert isinstance(other, GpuStream)
        with self._turn:
            self.handle.wait_event(other.handle.record())

    def synchronize(self) -> None:
        with self._turn:
            event = self.handle.record()
        event.synchronize()  # out of turn, so that other threads go on meanwhile


class GpuGraph:
    """A captured CUDA graph."""

    def __init__(self, graph: Any, stream: GpuStream, turn: Turn) -> None:
        self._graph, self._stream, self._turn = graph, stream, turn

    def launch(self) -> None:
        with self._turn:
            self._graph.launch(self._stream.handle)


class GpuDevice:
    """GPU `index`, counted as CUDA counts the visible ones. A capture holds other threads up."""

    def __init__(self, index: int, precision: Precision) -> None:
        self._cupy = cupy = import_cupy()
        if index >= cupy.cuda.runtime.getDeviceCount():
            found = cupy.cuda.runtime.getDeviceCount()
            raise Failure(f"GPU {index} is not there: CUDA finds {found}; choose from 0..{found - 1} with --gpus")
        self.precision: Precision = precision
        self.index = index
        self._gpu = cupy.cuda.Device(index)
        self.turn = Turn(self._gpu)
        self._functions: dict[str, int] = {}
        with self.turn:
            capability = int(self._gpu.compute_capability) / 10
            if capability < LEAST_CAPABILITY:
                raise Failure(f"GPU {index} has compute capability {capability}; {LEAST_CAPABILITY} or later is needed")
            self.main = GpuStream(cupy, self.turn)
            self.kernels = load(cupy, precision)
            self._workspace = self.allocate(WORKSPACE)
            self._products = Products(cupy, precision, self.main.handle.ptr, self._workspace.address)

    @property
    def identity(self) -> str:
        """The same for processes that share this GPU, and for no others."""
        return f"{platform.node()} {self._gpu.pci_bus_id}"

    def use(self) -> None:
        """Make this GPU the calling thread's current one, for whatever else that thread asks of CUDA."""
        self._gpu.use()

    def stream(self) -> GpuStream:
        with self.turn:
            return GpuStream(self._cupy, self.turn)

    def allocate(self, size: int) -> GpuMemory:
        with self.turn, self.main.handle:
            return GpuMemory(self._cupy.cuda.alloc(size))

    def pinned(self, size: int) -> NDArray[np.uint8]:
        if not size:
            return np.empty(0, np.uint8)
        with self.turn:
            return np.frombuffer(self._cupy.cuda.alloc_pinned_memory(size), np.uint8, size)

    def launch(
        self, kernel: str, grid: Triple, block: Triple, arguments: Sequence[Values], stream: Stream | None = None
    ) -> None:
        addresses = packed(arguments)
        driver = self._cupy.cuda.driver
        with self.turn:
            function = self._functions.get(kernel)
            if function is None:
                function = self._functions[kernel] = self.kernels.module.get_function(kernel).kernel.ptr
            parameters = ctypes.addressof(addresses)
            driver.launchKernel(function, *grid, *block, 0, self._handle(stream).ptr, parameters, 0)

    def gemm(self, a: Array, b: Array, c: Array, *, transpose_a: bool = False, transpose_b: bool = False) -> None:
        with self.turn:
            self._products.run(a, b, c, transpose_a, transpose_b)

    def to_device(self, values: Values, address: int, stream: Stream | None = None) -> None:
        self._copy(address, values.ctypes.data, values.nbytes, "memcpyHostToDevice", stream)

    def to_host(self, address: int, values: Values) -> None:
        self.begin_to_host(address, values)
        self.main.synchronize()

    def begin_to_host(self, address: int, values: Values) -> None:
        self._copy(values.ctypes.data, address, values.nbytes, "memcpyDeviceToHost", None)

    def copy(self, source: int, target: int, size: int) -> None:
        self._copy(target, source, size, "memcpyDeviceToDevice", None)

    def mark(self) -> Any:
        with self.turn:
            event = self._cupy.cuda.Event()
            event.record(self.main.handle)
            return event

    def wait(self, mark: Any) -> None:
        mark.synchronize()

    def seconds(self, begin: Any, end: Any) -> float:
        end.synchronize()
        return float(self._cupy.cuda.get_elapsed_time(begin, end)) / 1e3

    def capture(self, work: Callable[[], None]) -> GpuGraph:
        """Whatever `work` needs must have been compiled and allocated by an earlier call."""
        stream = self.main.handle
        with self.turn, stream:
            stream.begin_capture(self._cupy.cuda.runtime.streamCaptureModeRelaxed)
            try:
                work()
            finally:
                graph = stream.end_capture()
            return GpuGraph(graph, self.main, self.turn)

    def _copy(self, target: int, source: int, size: int, kind: str, stream: Stream | None) -> None:
        runtime = self._cupy.cuda.runtime
        with self.turn:
            runtime.memcpyAsync(target, source, size, getattr(runtime, kind), self._handle(stream).ptr)

    def _handle(self, stream: Stream | None) -> Any:
        chosen = self.main if stream is None else stream
        assert isinstance(chosen, GpuStream)
        return chosen.handle
