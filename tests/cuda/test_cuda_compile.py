"""The compile gate: every kernel by two releases of NVRTC, for each architecture, and that the gate can fail."""

import importlib.util
import subprocess
import sys
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest

GATE = Path(__file__).parents[2] / "scripts" / "compile_gate.py"


@pytest.fixture(scope="module")
def gate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compile_gate", GATE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["compile_gate"] = module
    spec.loader.exec_module(module)
    return module


def test_every_kernel_keeps_its_limits(gate: ModuleType) -> None:
    done = subprocess.run([sys.executable, str(GATE)], capture_output=True, text=True)
    if done.returncode == gate.ABSENT:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    tables = done.stdout.split("NVRTC ")[1:]
    assert [table.split(".")[0] for table in tables] == ["13", "12"]
    for table, architectures in zip(tables, gate.COMPILERS.values(), strict=True):
        for place in product(architectures, gate.PRECISIONS):
            rows = [line.split() for line in table.splitlines() if tuple(line.split()[:2]) == place]
            assert set(gate.PRODUCTS) < {row[2] for row in rows}


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ((100, 0, 8, 0, 0), "spills 8"),
        ((100, 16, 0, 0, 0), "16 bytes of stack"),
        ((255, 0, 0, 0, 0), "255 registers"),
        ((100, 0, 0, 0, 65536), "65536 bytes of shared"),
    ],
)
def test_the_gate_sees_a_kernel_beyond_its_limits(gate: ModuleType, numbers: tuple[int, ...], says: str) -> None:
    (fault,) = gate.Kernel("it", *numbers).faults()
    assert says in fault
    assert not gate.Kernel("it", 100, 0, 0, 0, 0).faults()


def test_the_gate_misses_tensor_cores_where_there_are_none(gate: ModuleType) -> None:
    if gate.missing():
        pytest.skip(f"no {gate.missing()}; pip install -r scripts/cuda-toolchain.txt")
    code, log = gate.Nvrtc(gate.library(next(iter(gate.COMPILERS)))).compile_engine("sm_90", "FP32")
    assert {kernel.name for kernel in gate.kernels(log)} >= set(gate.PRODUCTS)
    assert "conv_forward_low: no HMMA in its machine code" in gate.absent_instructions(code, "BF16")
