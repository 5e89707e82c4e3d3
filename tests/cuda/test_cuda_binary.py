"""The kernels' way to the GPU: a fat binary where nvcc makes one and the driver takes it, NVRTC everywhere else."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cuda_fake_cupy import CUDADriverError, FakeCupy, install

from alexnet.engines.cuda import sizes, sources
from alexnet.engines.cuda.cublas import Products
from alexnet.engines.cuda.gpu import GpuDevice
from alexnet.engines.cuda.sources import source_directory
from alexnet.errors import Failure
from alexnet.machine.cuda import facts

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "engine" / "cuda" / "fatbin.py"
NVCC = """#!{python}
import sys
release = {release}
if "--version" in sys.argv:
    print("nvcc: NVIDIA (R) Cuda compiler driver\\nCuda compilation tools, release %d.%d, V%d.%d.99" % (release * 2))
    sys.exit()
for code, first in ((80, (11, 0)), (90, (11, 8)), (100, (12, 8))):
    if release < first and any("compute_%d," % code in each for each in sys.argv):
        sys.exit("nvcc fatal   : Unsupported gpu architecture 'compute_%d'" % code)
if {fails}:
    sys.exit("error: #error -- unsupported GNU version!\\nmore of it")
open(sys.argv[sys.argv.index("-o") + 1], "w").write(" ".join(sys.argv[1:]))
"""


def fake_nvcc(folder: Path, release: tuple[int, int], fails: bool = False) -> Path:
    path = folder / "nvcc"
    path.write_text(NVCC.format(python=sys.executable, release=release, fails=fails))
    path.chmod(0o755)
    return path


def fatbin(nvcc: Path, out: Path, need: str = "AUTO") -> subprocess.CompletedProcess[str]:
    given = [nvcc, source_directory(), sizes.__file__, "bf16", out, need]
    return subprocess.run([sys.executable, SCRIPT, *map(str, given)], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("release", "codes"),
    [((11, 5), {80}), ((11, 8), {80, 90}), ((12, 4), {80, 90}), ((12, 8), {80, 90, 100}), ((13, 0), {80, 90, 100})],
)
def test_nvcc_is_asked_for_what_its_release_knows(tmp_path: Path, release: tuple[int, int], codes: set[int]) -> None:
    done = fatbin(fake_nvcc(tmp_path, release), tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    (binary,) = (tmp_path / "out").iterdir()
    assert binary.name == f"engine-bf16-{sizes.digest(source_directory())}.fatbin"
    options = binary.read_text().split()
    assert {code for code in (80, 90, 100) if f"-gencode=arch=compute_{code},code=sm_{code}" in options} == codes
    assert {"-DPRECISION=BF16", "-gencode=arch=compute_80,code=compute_80", *sizes.defines()} <= set(options)


@pytest.mark.parametrize("need", ["AUTO", "ON"])
@pytest.mark.parametrize(
    ("release", "fails", "why"),
    [((13, 0), True, "unsupported GNU version"), ((10, 2), False, "release 10.2 knows no GPU")],
)
def test_nvcc_that_fails_leaves_a_line_and_nothing_else(
    tmp_path: Path, release: tuple[int, int], fails: bool, why: str, need: str
) -> None:
    out = tmp_path / "out"
    assert fatbin(fake_nvcc(tmp_path, (12, 8)), out).returncode == 0
    done = fatbin(fake_nvcc(tmp_path, release, fails), out, need)
    assert done.returncode == (need == "ON")
    assert done.stderr.startswith("error: " if need == "ON" else "warning: ")
    assert why in done.stderr and done.stderr.count("\n") == 1
    assert list(out.iterdir()) == [], "the binary of an earlier state is not this one's"


@pytest.mark.parametrize("nvcc", ["absent", "not executable", "silent"])
def test_what_is_no_nvcc_is_said(tmp_path: Path, nvcc: str) -> None:
    path = tmp_path / "nvcc"
    if nvcc != "absent":
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755 if nvcc == "silent" else 0o644)
    done = fatbin(path, tmp_path / "out")
    assert done.returncode == 0 and done.stderr.startswith("warning: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("mode", "fails", "built", "installed"),
    [("AUTO", False, True, 3), ("AUTO", True, True, 0), ("ON", True, False, 0), ("OFF", True, True, 0)],
)
def test_the_build_goes_on_without_a_fat_binary(
    tmp_path: Path, mode: str, fails: bool, built: bool, installed: int
) -> None:
    nvcc, build = fake_nvcc(tmp_path, (12, 4), fails), tmp_path / "build"
    options = [f"-DNVCC={nvcc}", f"-DALEXNET_CUDA_BINARY={mode}", f"-DPython_EXECUTABLE={sys.executable}"]
    run("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", *options)
    target = "cuda_kernels" if mode != "OFF" else "help"
    done = subprocess.run(["cmake", "--build", build, "--target", target], capture_output=True, text=True)
    assert (done.returncode == 0) == built, done.stdout
    if built:
        prefix = tmp_path / "prefix"
        run("cmake", f"-DCMAKE_INSTALL_PREFIX={prefix}", "-P", build / "engine" / "cuda" / "cmake_install.cmake")
        assert len(list((prefix / "cuda").glob("*.fatbin"))) == installed
        assert (prefix / "cuda" / "engine.cu").exists() and not (prefix / "cuda" / "simt").exists()


def run(*command: object) -> None:
    done = subprocess.run([str(each) for each in command], env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    return install(FakeCupy(1), monkeypatch)


@pytest.fixture
def binary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A package with a fat binary of its sources in fp32 and bf16."""
    package = tmp_path / "package"
    (package / "cuda").mkdir(parents=True)
    for source in source_directory().glob("*.cu*"):
        (package / "cuda" / source.name).write_bytes(source.read_bytes())
    monkeypatch.setattr(sources, "source_directory", lambda: package / "cuda")
    made = [package / "cuda" / f"engine-{each}-{sizes.digest(package / 'cuda')}.fatbin" for each in ("fp32", "bf16")]
    for path in made:
        path.touch()
    return made[0]


def test_a_fat_binary_is_taken(cupy: FakeCupy, binary: Path) -> None:
    assert GpuDevice(0, "fp32").kernels.origin == f"{binary.name}, made with the package"
    assert facts()["cuda kernels"] == f"{binary.name}, made with the package".replace("fp32", "bf16")


def test_a_fat_binary_that_does_not_load_gives_way_to_nvrtc(cupy: FakeCupy, binary: Path) -> None:
    cupy.refused = (CUDADriverError,)
    device = GpuDevice(0, "fp32")
    assert device.kernels.origin.startswith(f"compiled by NVRTC from {binary.parent} ({binary.name} does not load: ")
    assert "-DPRECISION=FP32" in cupy.options
    cupy.refused = (CUDADriverError,)
    assert "does not load" in facts()["cuda kernels"]


def test_a_fat_binary_of_other_sources_is_not_taken(cupy: FakeCupy, binary: Path) -> None:
    with (binary.parent / "relu.cu").open("a") as source:
        source.write("// changed\n")
    assert GpuDevice(0, "fp32").kernels.origin == f"compiled by NVRTC from {binary.parent}"


@pytest.mark.parametrize("missing", [ImportError, OSError])
def test_without_cublas_one_line_says_what_to_install(missing: type[Exception]) -> None:
    class Without(SimpleNamespace):
        @property
        def cublas(self) -> object:
            raise missing("libcublas.so.13 is not there")

    fake = SimpleNamespace(cuda=Without(runtime=SimpleNamespace(runtimeGetVersion=lambda: 13020)))
    with pytest.raises(Failure, match=r"cuBLAS cannot be loaded .*pip install nvidia-cublas"):
        Products(fake, "fp32", 0, 0)


def test_without_nvrtc_one_line_says_what_to_install(cupy: FakeCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "prebuilt", lambda precision: None)  # an nvcc on PATH made one with the package
    cupy.refused = (RuntimeError,)
    with pytest.raises(Failure, match=r"NVRTC makes no CUDA kernels here: .*pip install nvidia-cuda-nvrtc"):
        GpuDevice(0, "fp32")
