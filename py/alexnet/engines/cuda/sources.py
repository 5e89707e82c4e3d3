"""Where the CUDA sources and binaries lie, and how they are compiled: beside the package, or in the checkout."""

from functools import cache
from pathlib import Path

from alexnet.engines import Precision
from alexnet.engines.cuda import sizes
from alexnet.errors import Failure

_PACKAGE = Path(__file__).resolve().parents[2]


@cache
def source_directory() -> Path:
    """The directory of the .cu files; raises Failure where there is none."""
    for path in (_PACKAGE / "cuda", _PACKAGE.parents[1] / "engine" / "cuda"):
        if (path / "engine.cu").exists():
            return path
    raise Failure(f"the CUDA sources are not at {_PACKAGE / 'cuda'}; install the project again")


def prebuilt(precision: Precision) -> Path | None:
    """The fat binary that the build made with nvcc, if it did."""
    path = _PACKAGE / "cuda" / f"engine-{precision}.fatbin"
    return path if path.exists() else None


def kernel_options(precision: Precision) -> tuple[str, ...]:
    """Options for NVRTC, nvcc and g++ alike."""
    return ("-std=c++17", f"-DPRECISION={precision.upper()}", *sizes.defines(), f"-I{source_directory()}")
