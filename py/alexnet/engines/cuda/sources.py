"""Where the CUDA sources and binaries lie, and how they are compiled: beside the package, or in the checkout."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from alexnet.engines import Precision
from alexnet.engines.cuda import sizes
from alexnet.errors import Failure, reason

NVRTC_ADVICE = "pip install nvidia-cuda-nvrtc (or nvidia-cuda-nvrtc-cu12, as CuPy's release)"
_PACKAGE = Path(__file__).resolve().parents[2]


@cache
def source_directory() -> Path:
    """The directory of the .cu files; raises Failure where there is none."""
    for path in (_PACKAGE / "cuda", _PACKAGE.parents[1] / "engine" / "cuda"):
        if (path / "engine.cu").exists():
            return path
    raise Failure(f"the CUDA sources are not at {_PACKAGE / 'cuda'}; install the project again")


def prebuilt(precision: Precision) -> Path | None:
    """The fat binary that the build made with nvcc, if it did and of these very sources."""
    sources = source_directory()
    path = sources / f"engine-{precision}-{sizes.digest(sources)}.fatbin"
    return path if path.exists() else None


@dataclass(frozen=True)
class Kernels:
    """All kernels at one precision, on the GPU that was current when they were loaded; `origin` in a few words."""

    module: Any
    origin: str


def load(cupy: Any, precision: Precision) -> Kernels:
    """The fat binary of the build where it is there and loads, else the sources through NVRTC, which CuPy caches.

    Raises Failure where NVRTC is missing or refuses them.
    """
    binary, why = prebuilt(precision), ""
    if binary is not None:
        try:
            return Kernels(_compiled(cupy.RawModule(path=str(binary))), f"{binary.name}, made with the package")
        except cupy.cuda.driver.CUDADriverError as error:
            why = f" ({binary.name} does not load: {reason(error)})"
    sources = source_directory()
    # CuPy's cache knows the text of engine.cu and the options, not the files it includes.
    options = (*kernel_options(precision), f"-DSOURCES_{sizes.digest(sources)}")
    module = cupy.RawModule(code=(sources / "engine.cu").read_text(encoding="utf-8"), options=options)
    try:
        return Kernels(_compiled(module), f"compiled by NVRTC from {sources}{why}")
    except Exception as error:  # that it is missing and that it refuses come in several types
        raise Failure(f"NVRTC makes no CUDA kernels here: {reason(error)}; {NVRTC_ADVICE}") from error


def _compiled(module: Any) -> Any:
    module.compile()
    return module


def kernel_options(precision: Precision) -> tuple[str, ...]:
    """Options for NVRTC, nvcc and g++ alike."""
    return ("-std=c++17", f"-DPRECISION={precision.upper()}", *sizes.defines(), f"-I{source_directory()}")
