"""The part of CuPy that GpuDevice uses, on host memory: kernels by the simulated device's library, cuBLAS by its
column-major definition. What is checked is GpuDevice's own work: packing, layouts, streams, captures."""

import ctypes
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from simulated import argument_sizes, compile_kernels, load

from alexnet.engines.cuda.device import from_bf16, to_bf16
from alexnet.engines.cuda.sources import source_directory

FLOAT32, BFLOAT16 = 0, 14
TRANSPOSED = 1
HANDLE, FLOAT_SUMS, TF32_SUMS = 77, 68, 77
_MATRIX = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
GEMM_TYPES = [ctypes.c_void_p, *[ctypes.c_int] * 5, ctypes.c_void_p, *_MATRIX, *_MATRIX]
GEMM_TYPES += [ctypes.c_void_p, *_MATRIX, ctypes.c_int, ctypes.c_int]  # cublasGemmEx of cublas_api.h


class Stream:
    """Runs at once, or records while it captures."""

    current: "Stream | None" = None

    def __init__(self, non_blocking: bool = False) -> None:
        assert non_blocking, "a blocking stream waits for the default stream"
        self.ptr = id(self)
        self.recorded: list[Callable[[], Any]] | None = None

    def give(self, work: Callable[[], Any]) -> None:
        if self.recorded is None:
            work()
        else:
            self.recorded.append(work)

    def __enter__(self) -> "Stream":
        Stream.current = self
        return self

    def __exit__(self, *why: object) -> None:
        Stream.current = None

    def record(self) -> Any:
        assert self.recorded is None, "a stream that captures cannot be waited for"
        return SimpleNamespace(stream=self, synchronize=lambda: None)

    def wait_event(self, event: Any) -> None:
        assert isinstance(event.stream, Stream)

    def begin_capture(self, mode: str) -> None:
        assert mode == "relaxed" and Stream.current is self
        self.recorded = []

    def end_capture(self) -> Any:
        work, self.recorded = self.recorded or [], None
        return SimpleNamespace(launch=lambda stream: [each() for each in work])


class FakeCupy:
    """`import cupy`, as GpuDevice sees it."""

    def __init__(self) -> None:
        self._library: Any = None
        self._names: list[str] = []
        self._streams: dict[int, Stream] = {}
        self._memory: list[Any] = []
        self.options: tuple[str, ...] = ()
        self.compute_types: list[int] = []
        self._cublas_stream: Stream | None = None
        runtime = SimpleNamespace(
            CUDARuntimeError=RuntimeError,
            CUDA_R_32F=FLOAT32,
            CUDA_R_16BF=BFLOAT16,
            getDeviceCount=lambda: 1,
            getDeviceProperties=lambda index: {"name": b"Likeness of a GPU", "totalGlobalMem": 1 << 34},
            deviceCanAccessPeer=lambda one, other: False,
            memcpyHostToDevice="in",
            memcpyDeviceToHost="out",
            memcpyDeviceToDevice="inside",
            memcpyAsync=self._copy,
            streamCaptureModeRelaxed="relaxed",
            runtimeGetVersion=lambda: 13020,
        )
        cublas = SimpleNamespace(
            CUBLAS_COMPUTE_32F=FLOAT_SUMS,
            CUBLAS_COMPUTE_32F_FAST_TF32=TF32_SUMS,
            CUBLAS_OP_N=0,
            CUBLAS_OP_T=TRANSPOSED,
            CUBLAS_GEMM_DEFAULT=-1,
            create=lambda: HANDLE,
        )
        self.libcublas = SimpleNamespace(
            cublasSetStream_v2=self._set_stream, cublasSetWorkspace_v2=self._set_workspace, cublasGemmEx=self._gemm
        )
        self.cuda = SimpleNamespace(
            runtime=runtime,
            cublas=cublas,
            driver=SimpleNamespace(launchKernel=self._launch),
            Device=Device,
            Event=Event,
            get_elapsed_time=lambda begin, end: 1e3 * (end.at - begin.at),
            Stream=self._stream,
            alloc=self._alloc,
            alloc_pinned_memory=bytearray,
        )

    def RawModule(self, code: str, options: tuple[str, ...]) -> Any:
        assert '#include "conv.cu"' in code
        self.options = options
        (precision,) = (each.removeprefix("-DPRECISION=").lower() for each in options if "PRECISION" in each)
        self._library = load(compile_kernels(source_directory() / "engine.cu", precision))
        return SimpleNamespace(get_function=self._function)

    def _function(self, name: str) -> Any:
        self._names.append(name)
        return SimpleNamespace(kernel=SimpleNamespace(ptr=len(self._names) - 1))

    def _stream(self, non_blocking: bool = False) -> Stream:
        stream = Stream(non_blocking)
        self._streams[stream.ptr] = stream
        return stream

    def _alloc(self, size: int) -> Any:
        memory = (ctypes.c_char * max(size + 256, 1))()
        ctypes.memset(memory, 0xFF, size + 256)
        self._memory.append(memory)
        return SimpleNamespace(ptr=-(-ctypes.addressof(memory) // 256) * 256)

    def _copy(self, target: int, source: int, size: int, kind: str, stream: int) -> None:
        assert kind in ("in", "out", "inside")
        chosen = self._streams[stream]
        assert chosen.recorded is None or kind == "inside", "pageable memory in a graph"
        chosen.give(lambda: ctypes.memmove(target, source, size))

    def _launch(self, function: int, *rest: int) -> None:
        gx, gy, gz, bx, by, bz, shared, stream, parameters, extra = rest
        assert shared == extra == 0
        grid, block = (ctypes.c_uint * 3)(gx, gy, gz), (ctypes.c_uint * 3)(bx, by, bz)
        name = self._names[function].encode()
        options = (ctypes.c_uint * 4)(1, 1, 1, 1)
        # As the driver does: the values are read now, whatever becomes of them later.
        given = ctypes.cast(parameters, ctypes.POINTER(ctypes.c_void_p))
        sizes = argument_sizes(self._library, self._names[function])
        kept = [ctypes.create_string_buffer(ctypes.string_at(given[at], size), size) for at, size in enumerate(sizes)]
        addresses = (ctypes.c_void_p * len(kept))(*(ctypes.addressof(each) for each in kept))

        def run() -> None:
            pointer = ctypes.cast(options, self._library.simt_launch.argtypes[4])
            error = self._library.simt_launch(name, grid, block, addresses, pointer)
            assert kept and not error, error

        self._streams[stream].give(run)

    def _set_stream(self, handle: Any, stream: Any) -> int:
        assert handle.value == HANDLE
        self._cublas_stream = self._streams[stream.value]
        return 0

    def _set_workspace(self, handle: Any, memory: Any, size: Any) -> int:
        assert handle.value == HANDLE and memory.value % 256 == 0 and size.value == 32 << 20
        assert self._cublas_stream is not None, "setting the stream takes the workspace away"
        return 0

    def _gemm(self, *given: Any) -> int:
        assert [type(each) for each in given] == GEMM_TYPES
        assert self._cublas_stream is not None
        self._cublas_stream.give(lambda: self._product(*(each.value for each in given)))
        return 0

    def _product(self, handle: int, op_a: int, op_b: int, m: int, n: int, k: int, alpha: int, *rest: Any) -> None:
        a, a_kind, lda, b, b_kind, ldb, beta, c, c_kind, ldc, compute, algorithm = rest
        assert handle == HANDLE and algorithm == -1
        assert _scalar(alpha) == 1 and _scalar(beta) == 0
        self.compute_types.append(compute)
        left = _matrix(a, a_kind, lda, *((k, m) if op_a else (m, k)))
        right = _matrix(b, b_kind, ldb, *((n, k) if op_b else (k, n)))
        product = _plain(left.T if op_a else left) @ _plain(right.T if op_b else right)
        _matrix(c, c_kind, ldc, m, n)[...] = to_bf16(product) if c_kind == BFLOAT16 else product


class Event:
    """A moment; everything before it is done, as streams here run at once."""

    def record(self, stream: Stream) -> None:
        assert stream.recorded is None, "an event in a graph has no time"
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        pass


class Device:
    """The only one."""

    compute_capability, pci_bus_id = "90", "0000:01:00.0"

    def __init__(self, index: int) -> None:
        assert index == 0

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *why: object) -> None:
        pass


def _scalar(address: int) -> float:
    return ctypes.c_float.from_address(address).value


def _matrix(address: int, kind: int, leading: int, rows: int, columns: int) -> Any:
    """A column-major matrix in memory."""
    assert leading >= rows
    dtype = np.dtype(np.uint16 if kind == BFLOAT16 else np.float32)
    memory = (ctypes.c_char * (leading * columns * dtype.itemsize)).from_address(address)
    return np.frombuffer(memoryview(memory), dtype).reshape(columns, leading).T[:rows]


def _plain(values: Any) -> Any:
    return from_bf16(values) if values.dtype == np.uint16 else values
