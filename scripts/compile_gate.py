"""Compiles every CUDA kernel with NVRTC, without a GPU, and holds the machine code to its limits.

For sm_80, sm_90 and sm_100 and each precision: a table of registers, stack, spills and shared memory; no spills and
no stack; tensor-core and asynchronous-copy instructions in the convolution kernels, 16-byte accesses in the others.
Exit code 0 if all holds, 1 if not, 77 where the toolchain is absent (pip install -r scripts/cuda-toolchain.txt).
"""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet.engines.cuda.sizes import defines

SOURCES = Path(__file__).resolve().parents[1] / "engine" / "cuda"
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
PRECISIONS = ("FP32", "TF32", "BF16")
PRODUCTS = ("conv_forward", "conv_backward_data", "conv_backward_weights")
ELEMENTWISE = ("relu_forward", "relu_backward", "lrn_forward", "lrn_backward", "max_pool_forward", "dropout", "scale")
ELEMENTWISE += (
    "lrn_spatial_forward",
    "lrn_spatial_scales",
    "lrn_spatial_backward",
    "sgd",
    "local_forward",
    "local_backward_data",
)
INSTRUCTIONS = {"FP32": ("FFMA", "LDGSTS"), "TF32": ("HMMA", "LDGSTS"), "BF16": ("HMMA", "LDGSTS", "LDSM")}
WIDE = ("LDG.E.128", "STG.E.128")  # 16 bytes a thread
MOST_REGISTERS = 168  # three blocks of a convolution's 128 threads on a multiprocessor
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

    def faults(self) -> list[str]:
        found = []
        if self.stack or self.stores or self.loads:
            found.append(f"{self.name}: {self.stack} bytes of stack, spills {self.stores} + {self.loads}; none allowed")
        if self.registers > MOST_REGISTERS:
            found.append(f"{self.name}: {self.registers} registers; at most {MOST_REGISTERS}")
        if self.shared > MOST_SHARED:
            found.append(f"{self.name}: {self.shared} bytes of shared memory; at most {MOST_SHARED}")
        return found


def missing() -> str:
    """What the gate needs and does not find; empty if nothing."""
    try:
        found = importlib.util.find_spec("cuda.bindings.nvrtc")
    except ModuleNotFoundError:
        found = None
    if found is None:
        return "cuda-bindings (NVRTC)"
    return "" if tool("cuobjdump") and tool("nvdisasm") else "cuobjdump and nvdisasm"


def tool(name: str) -> Path | None:
    """A tool of the CUDA toolkit, from PyPI's package or from PATH."""
    places = [Path(path) / "nvidia" / "cu13" / "bin" for path in sys.path]
    places += [Path(path) for path in os.environ.get("PATH", "").split(os.pathsep)]
    return next((place / name for place in places if os.access(place / name, os.X_OK)), None)


def compile_engine(architecture: str, precision: str) -> tuple[bytes, str]:
    """The engine's machine code, and what ptxas said."""
    from cuda.bindings import nvrtc

    def call(result: tuple[Any, ...]) -> Any:
        error, *values = result
        if error != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise RuntimeError(f"NVRTC: {error}")
        return values[0] if values else None

    options = ["-std=c++17", f"-arch={architecture}", f"-DPRECISION={precision}", f"-I{SOURCES}", *defines()]
    options.append("--ptxas-options=-v")
    source = (SOURCES / "engine.cu").read_bytes()
    program = call(nvrtc.nvrtcCreateProgram(source, b"engine.cu", 0, [], []))
    encoded = [option.encode() for option in options]
    compiled = nvrtc.nvrtcCompileProgram(program, len(encoded), encoded)
    log = b" " * call(nvrtc.nvrtcGetProgramLogSize(program))
    call(nvrtc.nvrtcGetProgramLog(program, log))
    if compiled[0] != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        sys.exit(f"{architecture} {precision}: {log.decode()}")
    code = b" " * call(nvrtc.nvrtcGetCUBINSize(program))
    call(nvrtc.nvrtcGetCUBIN(program, code))
    return code, log.decode()


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
    print(ROW.format("architecture", "precision", "kernel", "registers", "stack", "spills", "shared"))
    for architecture in ARCHITECTURES:
        for precision in PRECISIONS:
            code, log = compile_engine(architecture, precision)
            where = f"{architecture} {precision}"
            for kernel in kernels(log):
                sizes = kernel.registers, kernel.stack, kernel.stores + kernel.loads, kernel.shared
                print(ROW.format(architecture, precision, kernel.name, *sizes))
                faults += [f"{where} {fault}" for fault in kernel.faults()]
            faults += [f"{where} {fault}" for fault in absent_instructions(code, precision)]
    print("\n".join(faults) if faults else "every kernel keeps its limits")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
