"""Compiles every CUDA kernel with NVRTC, without a GPU, and holds the machine code to its limits.

By NVRTC 13 for sm_80, sm_90 and sm_100, by NVRTC 12 for sm_80 and sm_90, in each precision: a table of registers,
stack, spills and shared memory; no spills and no stack; tensor-core and asynchronous-copy instructions in the
convolution kernels, 16-byte accesses in the others.
Exit code 0 if all holds, 1 if not, 77 where the toolchain is absent (pip install -r scripts/cuda-toolchain.txt).
"""

import ctypes
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from alexnet.engines.cuda.sizes import SIZES, defines

SOURCES = Path(__file__).resolve().parents[1] / "engine" / "cuda"
# NVRTC's library and what it compiles for: the releases that the extras cuda13 and cuda12 bring.
COMPILERS = {
    "nvidia/cu13/lib/libnvrtc.so.13": ("sm_80", "sm_90", "sm_100"),
    "nvidia/cuda_nvrtc/lib/libnvrtc.so.12": ("sm_80", "sm_90"),
}
PRECISIONS = ("FP32", "TF32", "BF16")
PRODUCTS = {
    f"{product}_{tile}": SIZES[f"CONV_{tile.upper()}_BLOCKS"]  # of them on a multiprocessor
    for product in ("conv_forward", "conv_backward_data", "conv_backward_weights")
    for tile in ("lowest", "low", "middle", "tall")
}
ELEMENTWISE = (
    "relu_forward",
    "relu_backward",
    "lrn_forward",
    "lrn_backward",
    "lrn_forward_walk",
    "lrn_backward_walk",
    "max_pool_forward",
    "dropout",
    "scale",
    "lrn_spatial_forward",
    "lrn_spatial_scales",
    "lrn_spatial_backward",
    "sgd",
    "local_forward",
    "local_backward_data",
)
INSTRUCTIONS = {"FP32": ("FFMA", "LDGSTS"), "TF32": ("HMMA", "LDGSTS"), "BF16": ("HMMA", "LDGSTS", "LDSM")}
WIDE = ("LDG.E.128", "STG.E.128")  # 16 bytes a thread
REGISTERS = 65536  # of a multiprocessor
MOST_REGISTERS = 168  # three blocks of 128 threads on a multiprocessor
MOST_SHARED = 48 * 1024  # what a kernel may use without asking
ABSENT = 77
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
ROW = "{:12} {:9} {:24} {:>9} {:>5} {:>6} {:>6}"


@dataclass(frozen=True)
class Kernel:
    """What ptxas says of one kernel; bytes but for the registers."""

    name: str
    registers: int
    stack: int
    stores: int
    loads: int
    shared: int

    @property
    def most_registers(self) -> int:
        """They are given out to warps in pieces of eight a thread; one thread has 255 at most."""
        if self.name not in PRODUCTS:
            return MOST_REGISTERS
        return min(REGISTERS // (SIZES["CONV_THREADS"] * PRODUCTS[self.name]) // 8 * 8, 255)

    def faults(self) -> list[str]:
        found = []
        if self.stack or self.stores or self.loads:
            found.append(f"{self.name}: {self.stack} bytes of stack, spills {self.stores} + {self.loads}; none allowed")
        if self.registers > self.most_registers:
            found.append(f"{self.name}: {self.registers} registers; at most {self.most_registers}")
        if self.shared > MOST_SHARED:
            found.append(f"{self.name}: {self.shared} bytes of shared memory; at most {MOST_SHARED}")
        return found


def missing() -> str:
    """What the gate needs and does not find; empty if nothing."""
    libraries = [name for name in COMPILERS if library(name) is None]
    tools = [name for name in ("cuobjdump", "nvdisasm") if tool(name) is None]
    return ", ".join([*libraries, *tools])


def library(name: str) -> Path | None:
    """A library of one of PyPI's packages of CUDA."""
    return next((Path(path) / name for path in sys.path if (Path(path) / name).exists()), None)


def tool(name: str) -> Path | None:
    """A tool of the CUDA toolkit, from PyPI's package or from PATH."""
    places = [Path(path) / "nvidia" / "cu13" / "bin" for path in sys.path]
    places += [Path(path) for path in os.environ.get("PATH", "").split(os.pathsep)]
    return next((place / name for place in places if os.access(place / name, os.X_OK)), None)


class Nvrtc:
    """One release of NVRTC (nvrtc.h)."""

    def __init__(self, path: Path) -> None:
        for builtins in path.parent.glob("libnvrtc-builtins.so.*"):
            ctypes.CDLL(str(builtins))  # NVRTC asks for it by its bare name
        self._library = ctypes.CDLL(str(path))
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        self.release = f"{major.value}.{minor.value}"

    def compile_engine(self, architecture: str, precision: str) -> tuple[bytes, str]:
        """The engine's machine code, and what ptxas said. Ends the gate where NVRTC refuses the sources."""
        options = [f"-arch={architecture}", f"-DPRECISION={precision}", f"-I{SOURCES}", *defines()]
        encoded = [each.encode() for each in ("-std=c++17", *options, "--ptxas-options=-v")]
        program, source = ctypes.c_void_p(), (SOURCES / "engine.cu").read_bytes()
        self._call("nvrtcCreateProgram", ctypes.byref(program), source, b"engine.cu", 0, None, None)
        try:
            refused = self._library.nvrtcCompileProgram(
                program, len(encoded), (ctypes.c_char_p * len(encoded))(*encoded)
            )
            log = self._text("ProgramLog", program).rstrip(b"\0").decode()
            if refused:
                sys.exit(f"NVRTC {self.release} {architecture} {precision}: {log}")
            return self._text("CUBIN", program), log
        finally:
            self._call("nvrtcDestroyProgram", ctypes.byref(program))

    def _text(self, what: str, program: ctypes.c_void_p) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, text)
        return text.raw

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} ended with {status}")


def kernels(log: str) -> list[Kernel]:
    """The kernels that ptxas speaks of."""
    found = []
    for part in log.split("Compiling entry function '")[1:]:
        name = part[: part.index("'")]
        stack, stores, loads = (int(number) for number in FRAME.findall(part)[0])
        registers = int(re.findall(r"Used (\d+) registers", part)[0])
        shared = sum(int(number) for number in re.findall(r"(\d+) bytes smem", part))
        found.append(Kernel(name, registers, stack, stores, loads, shared))
    return sorted(found, key=lambda kernel: kernel.name)


def absent_instructions(code: bytes, precision: str) -> list[str]:
    """Instructions that a kernel should have and has not."""
    cuobjdump, nvdisasm = tool("cuobjdump"), tool("nvdisasm")
    assert cuobjdump is not None and nvdisasm is not None
    environment = os.environ | {"PATH": f"{nvdisasm.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code)
        file.flush()
        command = [str(cuobjdump), "-sass", file.name]
        listing = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    bodies = {part.split(maxsplit=1)[0]: part for part in listing.split("Function : ")[1:]}
    wanted = dict.fromkeys(PRODUCTS, INSTRUCTIONS[precision]) | dict.fromkeys(ELEMENTWISE, WIDE)
    return [
        f"{name}: no {instruction} in its machine code"
        for name, instructions in wanted.items()
        for instruction in instructions
        if instruction not in bodies[name]
    ]


def main() -> int:
    lacking = missing()
    if lacking:
        print(f"compile gate skipped: no {lacking}; pip install -r scripts/cuda-toolchain.txt")
        return ABSENT
    faults = []
    for name, architectures in COMPILERS.items():
        path = library(name)
        assert path is not None
        nvrtc = Nvrtc(path)
        print(f"NVRTC {nvrtc.release}")
        print(ROW.format("architecture", "precision", "kernel", "registers", "stack", "spills", "shared"))
        for architecture, precision in product(architectures, PRECISIONS):
            code, log = nvrtc.compile_engine(architecture, precision)
            where = f"NVRTC {nvrtc.release} {architecture} {precision}"
            for kernel in kernels(log):
                sizes = kernel.registers, kernel.stack, kernel.stores + kernel.loads, kernel.shared
                print(ROW.format(architecture, precision, kernel.name, *sizes))
                faults += [f"{where} {fault}" for fault in kernel.faults()]
            if nvrtc.release.startswith("13."):  # cuobjdump cannot read all that an early NVRTC 12 makes
                faults += [f"{where} {fault}" for fault in absent_instructions(code, precision)]
    print("\n".join(faults) if faults else "every kernel keeps its limits")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
