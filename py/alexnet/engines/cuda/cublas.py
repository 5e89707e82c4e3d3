"""cuBLAS's dense product, called directly: CuPy's own call refuses while a graph is captured."""

import ctypes
from typing import Any

import numpy as np

from alexnet.engines import Precision
from alexnet.engines.cuda.device import Array
from alexnet.engines.maps import BF16
from alexnet.errors import Failure, reason

WORKSPACE = 32 << 20  # what NVIDIA recommends for Hopper; given once, so that a captured product asks for none

_ONE, _ZERO = np.array(1, np.float32), np.array(0, np.float32)


def library(cupy: Any) -> tuple[Any, Any]:
    """CuPy's part for cuBLAS, and the library that this has loaded. Raises Failure where there is none."""
    name = f"libcublas.so.{cupy.cuda.runtime.runtimeGetVersion() // 1000}"
    try:
        return cupy.cuda.cublas, ctypes.CDLL(name)
    except (ImportError, OSError) as error:
        raise Failure(f"cuBLAS cannot be loaded ({reason(error)}); pip install nvidia-cublas (or -cu12)") from error


class Products:
    """Dense products in the order of one stream; `workspace` is WORKSPACE bytes of the device."""

    def __init__(self, cupy: Any, precision: Precision, stream: int, workspace: int) -> None:
        self._runtime = cupy.cuda.runtime
        self._constants, self._library = library(cupy)
        constants = self._constants
        fast = constants.CUBLAS_COMPUTE_32F_FAST_TF32
        self._compute = fast if precision == "tf32" else constants.CUBLAS_COMPUTE_32F
        self._handle = ctypes.c_void_p(constants.create())
        self._call("cublasSetStream_v2", self._handle, ctypes.c_void_p(stream))
        self._call("cublasSetWorkspace_v2", self._handle, ctypes.c_void_p(workspace), ctypes.c_size_t(WORKSPACE))

    def run(self, a: Array, b: Array, c: Array, transpose_a: bool, transpose_b: bool) -> None:
        """Row-major c = a b, which is column-major c' = b' a'."""
        constants = self._constants
        rows, columns = c.shape
        depth = a.shape[0] if transpose_a else a.shape[1]
        operations = [constants.CUBLAS_OP_T if each else constants.CUBLAS_OP_N for each in (transpose_b, transpose_a)]
        sizes = [*operations, columns, rows, depth]
        self._call(
            "cublasGemmEx",
            self._handle,
            *(ctypes.c_int(each) for each in sizes),
            ctypes.c_void_p(_ONE.ctypes.data),
            *self._matrix(b),
            *self._matrix(a),
            ctypes.c_void_p(_ZERO.ctypes.data),
            *self._matrix(c),
            ctypes.c_int(self._compute),
            ctypes.c_int(constants.CUBLAS_GEMM_DEFAULT),
        )

    def _matrix(self, array: Array) -> tuple[ctypes.c_void_p, ctypes.c_int, ctypes.c_int]:
        """Address, type and leading dimension."""
        kind = self._runtime.CUDA_R_16BF if array.dtype == BF16 else self._runtime.CUDA_R_32F
        return ctypes.c_void_p(array.address), ctypes.c_int(kind), ctypes.c_int(array.shape[1])

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} ended with cuBLAS status {status}")
