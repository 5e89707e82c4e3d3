"""The traps of the simulated device: every planted fault is caught, and nothing is where none was planted."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from cuda_runner import FAULTS, fault
from simulated import compile_kernels

from alexnet.engines import Precision
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
FILES = {  # of the engine, for each of cuda_cases
    "convolutions": ("conv", "conv_pack", "conv_weights"),
    "local": ("local", "rows"),
    "pooling": ("max_pool", "average_pool"),
    "responses": ("lrn", "lrn_spatial"),
    "units": ("relu", "tanh", "scale", "dropout"),
    "fully_connected": ("rows", "scale", "softmax"),
    "descent": ("sgd", "conv", "conv_pack"),
    "augmented": ("augment",),
}
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


def run_case(folder: Path, into: Path, precision: str, case: str, file: Path) -> int:
    """cuda_runner.py on what one case needs of the engine in `folder`: in a process of its own, which may crash."""
    source = into / f"{case}.cu"
    source.write_text("".join(f'#include "{folder / name}.cu"\n' for name in FILES[case]), encoding="utf-8")
    command = [sys.executable, HERE / "cuda_runner.py", "case", source, precision, case, file]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True)
    assert "Failure" not in done.stderr, done.stderr  # it does not compile
    return done.returncode


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """What a case makes with the engine as it is."""
    folder = tmp_path_factory.mktemp("sound")

    @cache
    def made(precision: str, case: str) -> Path:
        file = folder / f"{case}-{precision}.npz"
        assert run_case(source_directory(), folder, precision, case, file) == 0
        return file

    return made


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["name"])
def test_a_fault_in_a_kernel_is_caught(
    mutant: dict[str, str], sound: Callable[[str, str], Path], tmp_path: Path
) -> None:
    for file in source_directory().glob("*.cu*"):
        shutil.copy(file, tmp_path)
    path = tmp_path / mutant["file"]
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant["line"]) == 1, "the line to be changed is not there; bring mutants.toml up to date"
    path.write_text(text.replace(mutant["line"], mutant["becomes"]), encoding="utf-8")
    case, precision = mutant["case"], mutant.get("precision", "tf32")
    assert run_case(tmp_path, tmp_path, precision, case, sound(precision, case))
