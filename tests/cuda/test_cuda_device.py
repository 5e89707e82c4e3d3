"""What surrounds the kernels: streams, graphs, arrays, and machines with no GPU."""

import os
import subprocess
import sys

import numpy as np
import pytest
import simulated
from cuda_bench import Bench
from simulated import Options, SimulatedDevice

from alexnet.engines.cuda.device import Array
from alexnet.engines.cuda.gpu import import_cupy
from alexnet.engines.cuda.sources import source_directory
from alexnet.engines.maps import FLOAT
from alexnet.errors import Failure
from alexnet.machine.cuda import facts


@pytest.fixture
def plain() -> SimulatedDevice:
    return SimulatedDevice("fp32", Options())


def test_a_side_stream_is_late_until_it_is_waited_for(plain: SimulatedDevice) -> None:
    array, values = Array.empty(plain, (4,), FLOAT), np.arange(4, dtype=np.float32)
    side = plain.stream()
    plain.to_device(values, array.address, side)
    assert np.isnan(array.download()).all(), "a missing wait would go unseen"
    plain.main.wait_for(side)
    assert np.array_equal(array.download(), values)


def test_a_capture_runs_nothing_and_each_launch_all(plain: SimulatedDevice) -> None:
    source, target = (Array.empty(plain, (4,), FLOAT) for _ in range(2))
    graph = plain.capture(lambda: plain.copy(source.address, target.address, 16))
    assert np.isnan(target.download()).all()
    for value in (1.0, 2.0):
        source[...] = np.full(4, value, np.float32)
        graph.launch()
        assert (target.download() == value).all()


def test_parts_of_arrays(bench: Bench) -> None:
    array = bench.upload(np.arange(12, dtype=np.float32).reshape(4, 3))
    array[1:3] = np.full((2, 3), 7.0, np.float32)
    assert bench.engine.download(array[1:3]).tolist() == [[7.0] * 3] * 2
    assert bench.engine.download(array)[3].tolist() == [9.0, 10.0, 11.0]
    with pytest.raises(ValueError, match="do not fit"):
        array[0:1] = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match="no room"):
        array.reshape(13)


def test_maps_go_there_and_back(bench: Bench, random: np.random.Generator) -> None:
    values = bench.values(random, 5, 2, 3, 4)
    there = bench.maps(values)
    assert there.shape == (2, 3, 4, 8)
    assert np.array_equal(bench.plain(there, 5), values)
    assert (bench.plain(there, 8)[5:] == 0).all()


def test_a_kernel_that_is_not_there_is_named(plain: SimulatedDevice) -> None:
    with pytest.raises(RuntimeError, match="nothing_like_it: no such kernel"):
        plain.launch("nothing_like_it", (1, 1, 1), (32, 1, 1), [])


def test_unlike_machines_that_share_a_home_share_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_directory() / "engine.cu"
    here = simulated.digest(source, [])
    monkeypatch.setattr(simulated, "instructions", lambda: "x86_64 flags: fpu")
    assert simulated.digest(source, []) != here


def test_the_cpus_path_does_not_load_the_cuda_package() -> None:
    program = """
import sys
import alexnet.cli, alexnet.train.start
from alexnet.machine.hardware import Wanted, assemble, choose
assemble(choose(Wanted(device="cpu", procs=1, threads=1), 2, "fp32"), 2)
sys.exit(any(name.startswith("alexnet.engines.cuda") for name in sys.modules))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_cupy_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(Failure, match=r"CuPy cannot be loaded .* `--device cpu`"):
        import_cupy()
    found = facts()
    assert found["cuda devices"].startswith("missing: CuPy cannot be loaded")
    assert "\n" not in "".join(found.values())
