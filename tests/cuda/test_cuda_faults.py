"""The traps of the simulated device: every planted fault is caught, and nothing is where none was planted."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import references
from cuda_bench import BOUND, Bench
from cuda_runner import FAULTS, fault
from simulated import Options, SimulatedDevice, compile_kernels

from alexnet.engines import Precision
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.sources import source_directory

HERE = Path(__file__).parent
RIGHT = {
    "barrier_removed": lambda x: x + np.roll(x, -1),
    "index_off_by_one": lambda x: x[::-1],
    "shared_off_by_one": lambda x: x,
    "uninitialised_shared": lambda x: x,
    "race_between_blocks": lambda x: np.where(x == 0, 6, 0),
    "wait_missing": lambda x: x,
    "lanes_returned": lambda x: x + x[np.arange(64) ^ 1],
    "barriers_differ": lambda x: x,
    "syncwarp_missing": lambda x: x[np.arange(64) ^ 1],
}
CAUGHT_BY_VALUES = ["barrier_removed", "uninitialised_shared", "wait_missing", "syncwarp_missing"]
CAUGHT_BY_RULES = {"lanes_returned": "names a lane|others wait", "barriers_differ": "of lines .* met"}
SANITIZER_SAYS = {
    "address": "AddressSanitizer: heap-buffer-overflow|out of bounds",
    "thread": "ThreadSanitizer: data race",
}
CAUGHT_BY_SANITIZER = [
    ("index_off_by_one", "address"),
    ("shared_off_by_one", "address"),
    ("race_between_blocks", "thread"),
    ("barrier_removed", "thread"),
    ("syncwarp_missing", "thread"),
]
MUTANTS = tomllib.loads((HERE / "mutants.toml").read_text(encoding="utf-8"))["mutant"]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", RIGHT)
def test_without_fault_the_kernel_is_right(name: str, seed: int) -> None:
    x = np.arange(64, dtype=np.float32)
    assert np.array_equal(fault(name, 0, "none", seed), RIGHT[name](x))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", CAUGHT_BY_VALUES)
def test_values_show_it(name: str, seed: int) -> None:
    assert np.isnan(fault(name, 1, "none", seed)).any()


@pytest.mark.parametrize("name", CAUGHT_BY_RULES)
def test_the_device_refuses(name: str) -> None:
    with pytest.raises(RuntimeError, match=CAUGHT_BY_RULES[name]):
        fault(name, 1, "none")


def run_sanitized(sanitizer: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """cuda_runner.py with the sanitizer's library loaded first."""
    names = {"address": ["libasan.so", "libubsan.so"], "thread": ["libtsan.so"]}[sanitizer]
    found = [subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True) for name in names]
    paths = [each.stdout.strip() for each in found]
    if not all(Path(path).is_absolute() for path in paths):
        pytest.skip(f"g++ has no {', '.join(names)} here")
    setarch = shutil.which("setarch")
    if sanitizer == "thread" and setarch is None:
        pytest.skip("ThreadSanitizer needs setarch -R here")
    environment = os.environ | {
        "LD_PRELOAD": " ".join(paths),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "halt_on_error=1",
        "TSAN_OPTIONS": "exitcode=66",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]),
    }
    prefix = [str(setarch), "-R"] if sanitizer == "thread" else []
    command = [*prefix, sys.executable, str(HERE / "cuda_runner.py"), *arguments, sanitizer]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(("name", "sanitizer"), CAUGHT_BY_SANITIZER)
def test_the_sanitizer_says_so(name: str, sanitizer: str) -> None:
    compile_kernels(FAULTS, "fp32", sanitizer)  # type: ignore[arg-type]
    caught = run_sanitized(sanitizer, "fault", name, "1")
    assert caught.returncode, "nothing was caught"
    assert re.search(SANITIZER_SAYS[sanitizer], caught.stderr), caught.stderr[-2000:]
    clean = run_sanitized(sanitizer, "fault", name, "0")
    assert clean.returncode == 0, clean.stderr[-2000:]


@pytest.mark.parametrize("sanitizer", ["address", "thread"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_kernel_is_clean(precision: Precision, sanitizer: str) -> None:
    compile_kernels(source_directory() / "engine.cu", precision, sanitizer)  # type: ignore[arg-type]
    done = run_sanitized(sanitizer, "engine", precision)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["name"])
def test_a_fault_in_convolution_is_caught(mutant: dict[str, str], tmp_path: Path) -> None:
    for file in source_directory().glob("*.cu*"):
        shutil.copy(file, tmp_path)
    path = tmp_path / mutant["file"]
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant["line"]) == 1, "the line to be changed is not there; bring mutants.toml up to date"
    path.write_text(text.replace(mutant["line"], mutant["becomes"]), encoding="utf-8")
    shutil.copy(HERE / "convolutions.cu", tmp_path)
    assert convolutions_are_right(HERE / "convolutions.cu")
    assert not convolutions_are_right(tmp_path / "convolutions.cu")


def convolutions_are_right(source: Path) -> bool:
    """Whether the three products agree with the reference, over several orders of threads."""
    random = np.random.default_rng(0)
    x, dy = (random.standard_normal(shape).astype(np.float32) for shape in ((9, 8, 7, 7), (9, 6, 7, 7)))
    w, b = random.standard_normal((6, 4, 3, 3)).astype(np.float32), np.ones(6, np.float32)
    settings = {"stride": 1, "pad": 1, "groups": 2}
    wanted = [references.conv(x, w, b, dy.shape[2:], 1, 1, 2), *references.conv_gradients(x, w, dy, 1, 1, 2)[:2]]
    for seed in (1, 2, 3):
        bench = Bench(CudaEngine(SimulatedDevice("tf32", Options(seed=seed), source=source)), "tf32")
        y, dx, dw, db = bench.empty(*dy.shape), bench.empty(*x.shape), bench.poisoned(w), bench.poisoned(b)
        try:
            bench.ops.conv_forward(bench.maps(x), bench.upload(w), bench.upload(b), y, **settings)
            bench.ops.conv_backward_data(bench.maps(dy), bench.upload(w), dx, **settings)
            bench.ops.conv_backward_weights(bench.maps(x), bench.maps(dy), dw, db, **settings)
        except RuntimeError:
            return False
        found = [bench.plain(y, 9), bench.plain(dx, 9), bench.engine.download(dw)]
        for one, other in zip(found, wanted, strict=True):
            error = np.abs(one - other).max() / np.abs(other).max()
            if not error <= BOUND["tf32"]:
                return False
    return True
