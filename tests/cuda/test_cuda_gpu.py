"""GpuDevice's own work, with a likeness of CuPy in CuPy's place (on a GPU the other tests run it)."""

import sys

import numpy as np
import pytest
from cuda_bench import Bench
from cuda_fake_cupy import FLOAT_SUMS, TF32_SUMS, FakeCupy
from cuda_runner import every_kernel

from alexnet.engines import Precision
from alexnet.engines.cuda import CudaEngine, cublas, gpu
from alexnet.engines.cuda.device import BF16, FLOAT, Array, to_bf16
from alexnet.engines.cuda.gpu import GpuDevice
from alexnet.errors import Failure

MODULES = ("runtime", "cublas", "driver")


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch, precision: Precision) -> FakeCupy:
    fake = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setattr(gpu, "prebuilt", lambda precision: None)  # a fat binary is for a real device
    monkeypatch.setattr(cublas, "library", lambda cupy: fake.libcublas)
    return fake


def test_every_kernel_is_launched(cupy: FakeCupy, precision: Precision) -> None:
    bench = Bench(CudaEngine(GpuDevice(0, precision)), precision)
    every_kernel(bench)
    assert f"-DPRECISION={precision.upper()}" in cupy.options


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("kinds", [(FLOAT, FLOAT), (BF16, BF16), (BF16, FLOAT)], ids=["float", "bf16", "mixed"])
def test_products_are_row_major(
    cupy: FakeCupy, precision: Precision, transpose_a: bool, transpose_b: bool, kinds: tuple[np.dtype, np.dtype]
) -> None:  # type: ignore[type-arg]
    device = GpuDevice(0, precision)
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(12, dtype=np.float32).reshape(3, 4) % 5

    def there(values: np.ndarray) -> Array:  # type: ignore[type-arg]
        array = Array.empty(device, values.shape, kinds[0])
        array[...] = to_bf16(values) if kinds[0] == BF16 else values
        return array

    c = Array.empty(device, (2, 4), kinds[1])
    left, right = there(a.T if transpose_a else a), there(b.T if transpose_b else b)
    device.gemm(left, right, c, transpose_a=transpose_a, transpose_b=transpose_b)
    assert np.array_equal(c.download(), a @ b)
    assert cupy.compute_types == [TF32_SUMS if precision == "tf32" else FLOAT_SUMS]


def test_a_capture_is_launched_on_the_main_stream(cupy: FakeCupy, precision: Precision) -> None:
    device = GpuDevice(0, precision)
    source, target = Array.empty(device, (3,), FLOAT), Array.empty(device, (3,), FLOAT)
    graph = device.capture(lambda: device.copy(source.address, target.address, 12))
    source[...] = np.ones(3, np.float32)
    graph.launch()
    assert (target.download() == 1).all()


def test_a_gpu_that_is_not_there_is_named(cupy: FakeCupy, precision: Precision) -> None:
    with pytest.raises(Failure, match=r"GPU 3 is not there: CUDA finds 1"):
        GpuDevice(3, precision)


def test_an_old_gpu_is_refused(cupy: FakeCupy, precision: Precision, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupy.cuda.Device, "compute_capability", "75")
    with pytest.raises(Failure, match=r"capability 7\.5; 8\.0"):
        GpuDevice(0, precision)


def test_the_real_cupy_has_what_the_likeness_has(cupy: FakeCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cupy")
    real = pytest.importorskip("cupy", reason="CuPy is not installed")
    assert hasattr(real.RawModule, "get_function") and hasattr(real.RawKernel, "kernel")
    for name, likeness in vars(cupy.cuda).items():
        try:
            module = getattr(real.cuda, name)
        except ImportError as error:
            assert name == "cublas", error  # its library comes with the extra
            continue
        missing = [each for each in vars(likeness) if not each.startswith("__")] if name in MODULES else []
        assert [each for each in missing if not hasattr(module, each)] == [], name
    assert {"record", "wait_event", "begin_capture", "end_capture"} <= set(dir(real.cuda.Stream))
    assert {"compute_capability", "pci_bus_id"} <= set(dir(real.cuda.Device))
    arguments = real.cuda.driver.launchKernel.__doc__
    assert "f, unsigned int grid_dim_x" in arguments and "intptr_t stream, intptr_t kernel_params" in arguments
