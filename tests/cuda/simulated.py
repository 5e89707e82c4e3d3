"""A device that is none: the engine's .cu files compiled for the CPU, a fiber per CUDA thread (simt/).

`main` runs kernels at once; its graphs and every other stream run as late as they may, when somebody
waits for them, so a missing wait shows.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from simulated_streams import MainStream, Recording, SideStream

from alexnet.engines import Precision
from alexnet.engines.cuda.device import Array, Stream, Triple, Values, packed
from alexnet.engines.cuda.sources import kernel_options, source_directory
from alexnet.engines.maps import BF16, from_bf16, to_bf16
from alexnet.errors import Failure

_HERE = Path(__file__).parent
_SIMT = _HERE / "simt"

Sanitizer = Literal["none", "address", "thread", "counts"]  # the last counts what is accessed (simt/counting.h)

_FLAGS: dict[Sanitizer, list[str]] = {
    "none": ["-O2", "-march=native", "-ffp-contract=off"],
    "address": ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize=alignment,vptr"],
    "thread": ["-O1", "-g", "-fsanitize=thread"],
    "counts": ["-O2", "-march=native", "-ffp-contract=off", "-fsanitize=thread", "-DSIMT_COUNTS"],
}


class _Options(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint) for name in ("seed", "threads", "poison", "strict", "sample")]


@dataclass(frozen=True)
class Options:
    """How the simulated machine runs: the order of threads and blocks, OS threads, traps."""

    seed: int = 0
    threads: int = 1
    poison: bool = True
    strict: bool = True
    sample: int = 1  # run one block of so many, to be counted


def compile_kernels(source: Path, precision: Precision, sanitizer: Sanitizer = "none") -> Path:
    """A shared library of `source`'s kernels; built once for each state of the sources.

    Raises Failure where there is no C++ compiler or it refuses the source.
    """
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise Failure("no C++ compiler: the simulated CUDA device needs one; install g++")
    common = ["-fPIC", "-Wall", "-Wextra", "-Wno-unknown-pragmas", "-ftls-model=initial-exec"]
    common += [*_FLAGS[sanitizer], *kernel_options(precision), f"-I{_HERE}"]
    library = _cache() / f"{source.stem}-{precision}-{sanitizer}-{digest(source, [compiler, *common])}.so"
    if library.exists():
        return library
    uninstrumented = [each for each in common if each != "-fsanitize=thread"]
    if sanitizer == "thread":
        uninstrumented.append("-DSIMT_TSAN")
    parts = ["block.cpp", "simt.cpp", *(["counting.cpp"] if sanitizer == "counts" else [])]
    runtime = [_object(_SIMT / name, [compiler, *uninstrumented]) for name in parts]
    linked = uninstrumented if sanitizer == "counts" else common
    with tempfile.TemporaryDirectory(dir=_cache()) as work:
        _compile([compiler, *common, "-x", "c++", "-c", str(source), "-o", f"{work}/kernels.o"])
        made = [f"{work}/kernels.o", *map(str, runtime)]
        _compile([compiler, *linked, "-shared", *made, "-pthread", "-o", f"{work}/all.so"])
        Path(f"{work}/all.so").replace(library)
    return library


def _object(source: Path, command: list[str]) -> Path:
    """A part of the runtime, built once for all kernels."""
    made = _cache() / f"{source.stem}-{digest(source, command)}.o"
    if not made.exists():
        with tempfile.TemporaryDirectory(dir=_cache()) as work:
            _compile([*command, "-c", str(source), "-o", f"{work}/{made.name}"])
            Path(f"{work}/{made.name}").replace(made)
    return made


def digest(source: Path, command: list[str]) -> str:
    """Of all that decides what is built."""
    state = hashlib.sha256(repr((command, instructions())).encode())
    for file in sorted({*source_directory().glob("*.cu*"), *_SIMT.iterdir(), *source.parent.glob("*.cu*")}):
        state.update(file.read_bytes())
    return state.hexdigest()[:16]


@cache
def instructions() -> str:
    """What `-march=native` stands for here: unlike machines may share a home directory."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else []
    return platform.machine() + next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(root) / "alexnet" / "simt"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _compile(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip() or 'failed'}")


@cache
def load(library: Path) -> ctypes.CDLL:
    """The library with its functions' types."""
    loaded = ctypes.CDLL(str(library))
    loaded.simt_allocate.restype = ctypes.c_void_p
    loaded.simt_allocate.argtypes = [ctypes.c_size_t]
    loaded.simt_free.argtypes = [ctypes.c_void_p]
    loaded.simt_arguments.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.POINTER(ctypes.c_uint))]
    loaded.simt_launch.restype = ctypes.c_char_p
    loaded.simt_launch.argtypes = [
        ctypes.c_char_p,
        ctypes.POINTER(ctypes.c_uint),
        ctypes.POINTER(ctypes.c_uint),
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.POINTER(_Options),
    ]
    return loaded


def argument_sizes(library: ctypes.CDLL, kernel: str) -> list[int]:
    """The sizes of a kernel's arguments. Raises RuntimeError where there is no such kernel."""
    sizes = ctypes.POINTER(ctypes.c_uint)()
    count = library.simt_arguments(kernel.encode(), ctypes.byref(sizes))
    if count < 0:
        raise RuntimeError(f"{kernel}: no such kernel")
    return [sizes[at] for at in range(count)]


class _Memory:
    """Bytes that a sanitizer knows the ends of, filled with NaN."""

    def __init__(self, library: ctypes.CDLL, size: int) -> None:
        self._free = library.simt_free
        self.address = int(library.simt_allocate(size) or 0)
        if not self.address:
            raise MemoryError(f"no room for {size} bytes")

    def __del__(self) -> None:
        self._free(self.address)


class SimulatedDevice:
    """The kernels of `source` on the CPU."""

    def __init__(
        self,
        precision: Precision,
        options: Options | None = None,
        *,
        sanitizer: Sanitizer = "none",
        source: Path | None = None,
    ) -> None:
        self.precision: Precision = precision
        self.main = MainStream()
        self._options = options or Options()
        self._library = load(compile_kernels(source or source_directory() / "engine.cu", precision, sanitizer))

    def stream(self) -> SideStream:
        return SideStream()

    def allocate(self, size: int) -> _Memory:
        self.main.refuse_capture("memory is asked for")
        return _Memory(self._library, size)

    def pinned(self, size: int) -> NDArray[np.uint8]:
        return np.empty(size, np.uint8)

    def launch(
        self, kernel: str, grid: Triple, block: Triple, arguments: Sequence[Values], stream: Stream | None = None
    ) -> None:
        addresses = packed(arguments)
        given, wanted = [each.nbytes for each in arguments], argument_sizes(self._library, kernel)
        if given != wanted:
            raise RuntimeError(f"{kernel}: arguments of {given} bytes, where it takes {wanted}")

        def run() -> None:
            o = self._options
            error = self._library.simt_launch(
                kernel.encode(),
                (ctypes.c_uint * 3)(*grid),
                (ctypes.c_uint * 3)(*block),
                addresses,
                _Options(o.seed, o.threads, o.poison, o.strict, o.sample),
            )
            if error:
                raise RuntimeError(f"{kernel}: {error.decode()}")

        self._give(run, stream)

    def gemm(self, a: Array, b: Array, c: Array, *, transpose_a: bool = False, transpose_b: bool = False) -> None:
        def run() -> None:
            left, right, out = _view(a), _view(b), _view(c)
            product = _floats(left.T if transpose_a else left) @ _floats(right.T if transpose_b else right)
            out[...] = to_bf16(product) if c.dtype == BF16 else product

        self._give(run, None)

    def to_device(self, values: Values, address: int, stream: Stream | None = None) -> None:
        def run() -> None:
            ctypes.memmove(address, values.ctypes.data, values.nbytes)

        if stream is None:
            self.main.refuse_capture("a copy from the host")
            self.main.give_late(run)
        else:
            self._give(run, stream)

    def to_host(self, address: int, values: Values) -> None:
        self.main.refuse_capture("a copy to the host")
        self.main.catch_up()
        ctypes.memmove(values.ctypes.data, address, values.nbytes)

    def begin_to_host(self, address: int, values: Values) -> None:
        self.main.refuse_capture("a copy to the host")
        self.main.give_late(lambda: ctypes.memmove(values.ctypes.data, address, values.nbytes))

    def copy(self, source: int, target: int, size: int) -> None:
        self._give(lambda: ctypes.memmove(target, source, size), None)

    def mark(self) -> float:
        return time.perf_counter()

    def wait(self, mark: float) -> None:
        self.main.synchronize()

    def seconds(self, begin: float, end: float) -> float:
        return end - begin

    def capture(self, work: Callable[[], None]) -> Recording:
        return self.main.record(work)

    def _give(self, work: Callable[[], Any], stream: Stream | None) -> None:
        target = self.main if stream is None else stream
        assert isinstance(target, MainStream | SideStream)
        target.give(work)


def _view(array: Array) -> Values:
    memory = (ctypes.c_char * array.nbytes).from_address(array.address)
    return np.frombuffer(memoryview(memory), array.dtype).reshape(array.shape)


def _floats(values: Values) -> Values:
    return from_bf16(values) if values.dtype == BF16 else values
