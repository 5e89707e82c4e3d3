"""The part of CuPy that GpuDevice uses, on host memory: kernels by the simulated device's library, cuBLAS by its
column-major definition. What is checked is GpuDevice's own work: packing, layouts, devices, streams, captures."""

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cuda_fake_nccl import Nccl
from cuda_fake_runtime import Machine, Stream, refuse, runtime
from simulated import argument_sizes, compile_kernels, load

from alexnet.engines.cuda import cublas
from alexnet.engines.cuda.sources import source_directory
from alexnet.engines.maps import from_bf16, to_bf16

FLOAT32, BFLOAT16 = 0, 14
TRANSPOSED = 1
HANDLE, FLOAT_SUMS, TF32_SUMS = 77, 68, 77
_MATRIX = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
GEMM_TYPES = [ctypes.c_void_p, *[ctypes.c_int] * 5, ctypes.c_void_p, *_MATRIX, *_MATRIX]
GEMM_TYPES += [ctypes.c_void_p, *_MATRIX, ctypes.c_int, ctypes.c_int]  # cublasGemmEx of cublas_api.h


class CUDADriverError(RuntimeError):
    pass


class FakeCupy:
    """`import cupy`, as GpuDevice sees it, on a machine with so many GPUs."""

    def __init__(self, gpus: int = 2) -> None:
        self.machine = machine = Machine(gpus)
        self._functions: list[tuple[int, ctypes.CDLL, str]] = []  # GPU, library, name
        self.refused: tuple[type[RuntimeError], ...] = ()  # what loading a module runs into, in turn
        self.options: tuple[str, ...] = ()
        self.compute_types: list[int] = []
        self._cublas: list[tuple[int, Stream | None]] = []  # GPU and stream of each handle
        cublas_ = SimpleNamespace(
            CUBLAS_COMPUTE_32F=FLOAT_SUMS,
            CUBLAS_COMPUTE_32F_FAST_TF32=TF32_SUMS,
            CUBLAS_OP_N=0,
            CUBLAS_OP_T=TRANSPOSED,
            CUBLAS_GEMM_DEFAULT=-1,
            create=self._create_cublas,
        )
        self.libcublas = SimpleNamespace(
            cublasSetStream_v2=self._set_stream, cublasSetWorkspace_v2=self._set_workspace, cublasGemmEx=self._gemm
        )
        self.cuda = SimpleNamespace(
            runtime=runtime(machine),
            cublas=cublas_,
            nccl=Nccl(machine),
            driver=SimpleNamespace(launchKernel=self._launch, CUDADriverError=CUDADriverError),
            Device=machine.Device,
            Event=machine.Event,
            Stream=machine.Stream,
            get_elapsed_time=lambda begin, end: 1e3 * machine.seconds(begin, end),
            alloc=machine.allocate,
            alloc_pinned_memory=bytearray,
        )

    def RawModule(self, code: str = "", options: tuple[str, ...] = (), path: str = "") -> Any:
        return Module(self, code, options, path)

    def function(self, library: ctypes.CDLL, name: str) -> int:
        """On the current GPU."""
        self._functions.append((self.machine.current, library, name))
        return len(self._functions) - 1

    def _launch(self, function: int, *rest: int) -> None:
        gx, gy, gz, bx, by, bz, shared, stream, parameters, extra = rest
        assert shared == extra == 0
        grid, block = (ctypes.c_uint * 3)(gx, gy, gz), (ctypes.c_uint * 3)(bx, by, bz)
        gpu, library, name = self._functions[function]
        chosen = self.machine.streams[stream]
        refuse(gpu == self.machine.current, f"a kernel of GPU {gpu} while {self.machine.current} is current")
        refuse(gpu == chosen.device_id, f"a kernel of GPU {gpu} in {chosen}")
        options = (ctypes.c_uint * 4)(1, 1, 1, 1)
        # As the driver does: the values are read now, whatever becomes of them later.
        given = ctypes.cast(parameters, ctypes.POINTER(ctypes.c_void_p))
        sizes = argument_sizes(library, name)
        kept = [ctypes.create_string_buffer(ctypes.string_at(given[at], size), size) for at, size in enumerate(sizes)]
        for each in kept:
            owner = self.machine.owner(int.from_bytes(each.raw, "little")) if len(each) == 8 else None
            refuse(owner in (None, gpu), f"a kernel of GPU {gpu} is given memory of {owner}")
        addresses = (ctypes.c_void_p * len(kept))(*(ctypes.addressof(each) for each in kept))

        def run() -> None:
            pointer = ctypes.cast(options, library.simt_launch.argtypes[4])
            error = library.simt_launch(name.encode(), grid, block, addresses, pointer)
            assert kept and not error, error

        chosen.give(run)

    def _create_cublas(self) -> int:
        self._cublas.append((self.machine.current, None))
        return HANDLE + len(self._cublas) - 1

    def _set_stream(self, handle: Any, stream: Any) -> int:
        gpu, _ = self._cublas[handle.value - HANDLE]
        chosen = self.machine.streams[stream.value]
        refuse(gpu == chosen.device_id, f"cuBLAS of GPU {gpu} in {chosen}")
        self._cublas[handle.value - HANDLE] = gpu, chosen
        return 0

    def _set_workspace(self, handle: Any, memory: Any, size: Any) -> int:
        gpu, stream = self._cublas[handle.value - HANDLE]
        assert memory.value % 256 == 0 and size.value == 32 << 20
        refuse(self.machine.owner(memory.value, size.value) == gpu, f"cuBLAS of GPU {gpu} with another's workspace")
        assert stream is not None, "setting the stream takes the workspace away"
        return 0

    def _gemm(self, *given: Any) -> int:
        assert [type(each) for each in given] == GEMM_TYPES
        gpu, stream = self._cublas[given[0].value - HANDLE]
        refuse(gpu == self.machine.current, f"cuBLAS of GPU {gpu} while {self.machine.current} is current")
        assert stream is not None
        # The scalars are read at the call, the matrices when the stream comes to it.
        assert _scalar(given[6].value) == 1 and _scalar(given[13].value) == 0
        stream.give(lambda: self._product(*(each.value for each in given)))
        return 0

    def _product(self, handle: int, op_a: int, op_b: int, m: int, n: int, k: int, _: int, *rest: Any) -> None:
        a, a_kind, lda, b, b_kind, ldb, _, c, c_kind, ldc, compute, algorithm = rest
        assert algorithm == -1
        self.compute_types.append(compute)
        left = _matrix(a, a_kind, lda, *((k, m) if op_a else (m, k)))
        right = _matrix(b, b_kind, ldb, *((n, k) if op_b else (k, n)))
        product = _plain(left.T if op_a else left) @ _plain(right.T if op_b else right)
        _matrix(c, c_kind, ldc, m, n)[...] = to_bf16(product) if c_kind == BFLOAT16 else product


def install(fake: FakeCupy, monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    """Put it in CuPy's place."""
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setitem(sys.modules, "cupy.cuda.nccl", fake.cuda.nccl)
    monkeypatch.setattr(cublas, "library", lambda cupy: (cupy.cuda.cublas, fake.libcublas))
    return fake


class Module:
    """RawModule of CuPy, from code or from a fat binary; here both are compiled from the sources."""

    def __init__(self, cupy: FakeCupy, code: str, options: tuple[str, ...], path: str) -> None:
        assert bool(path) != bool(code) and bool(options) == bool(code)
        assert not code or '#include "conv.cu"' in code
        self._cupy, self._options, self._path = cupy, options, path
        self._library: Any = None

    def compile(self) -> None:
        if self._cupy.refused:
            first, *self._cupy.refused = self._cupy.refused
            raise first("the module is refused")
        named = [each.removeprefix("-DPRECISION=") for each in self._options if "PRECISION" in each]
        precision = named[0].lower() if named else Path(self._path).name.split("-")[1]
        self._cupy.options = self._options
        self._library = load(compile_kernels(source_directory() / "engine.cu", precision))

    def get_function(self, name: str) -> "Function":
        if self._library is None:
            self.compile()  # as CuPy does, at the first use
        return Function(self._cupy, self._library, name)


class Function:
    """RawKernel of CuPy: `kernel` is the current GPU's."""

    def __init__(self, cupy: FakeCupy, library: ctypes.CDLL, name: str) -> None:
        self._cupy, self._library, self._name = cupy, library, name

    @property
    def kernel(self) -> Any:
        return SimpleNamespace(ptr=self._cupy.function(self._library, self._name))


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
