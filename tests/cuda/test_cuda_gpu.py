"""GpuDevice's own work, with a likeness of CuPy in CuPy's place (on a GPU the other tests run it)."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from cuda_bench import Bench, PoisonedGpu
from cuda_cases import run
from cuda_fake_cupy import FLOAT_SUMS, TF32_SUMS, FakeCupy, install
from cuda_fake_runtime import Device

from alexnet.engines import Precision, Scalar
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Array, Stream
from alexnet.engines.cuda.gpu import GpuDevice
from alexnet.engines.cuda.staging import Staging
from alexnet.engines.cuda.workspace import Workspace
from alexnet.engines.maps import BF16, FLOAT, to_bf16
from alexnet.errors import Failure

T = TypeVar("T")
LIBRARIES = ("cublas", "nccl")
NCCL = ("NcclCommunicator", "get_unique_id", "groupStart", "groupEnd", "allGather", "reduceScatter", "allReduce")
NCCL += ("broadcast", "reduce", "check_async_error", "abort")


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    return install(FakeCupy(2), monkeypatch)


def elsewhere(work: Callable[[], T]) -> T:
    """In a thread of its own, where GPU 0 is current."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result()


def here(work: Callable[[], T]) -> T:
    return work()


@pytest.mark.parametrize("thread", [here, elsewhere])
@pytest.mark.parametrize("index", [0, 1])
def test_every_kernel_is_launched(cupy: FakeCupy, precision: Precision, index: int, thread: Callable[..., Any]) -> None:
    bench = Bench(CudaEngine(GpuDevice(index, precision)), precision)
    thread(lambda: run(bench))
    assert f"-DPRECISION={precision.upper()}" in cupy.options
    assert cupy.machine.contexts == {index}, "a context on a GPU that is another process's"


@pytest.mark.parametrize("thread", [here, elsewhere])
@pytest.mark.parametrize("index", [0, 1])
def test_recorded_work_runs_on_its_gpu(cupy: FakeCupy, index: int, thread: Callable[..., Any]) -> None:
    engine = CudaEngine(GpuDevice(index, "fp32"))
    x, y = engine.upload(np.ones(8, np.float32)), engine.upload(np.zeros(8, np.float32))
    start, begin = time.perf_counter(), engine.mark()
    for factor in (2.0, 3.0, 4.0):
        x[...] = np.full(8, factor, np.float32)
        thread(lambda: engine.repeat(lambda numbers: y.__setitem__(..., x), [], ()))
        assert (engine.download(y) == factor).all()
    assert 0 < engine.seconds(begin, thread(engine.mark)) < time.perf_counter() - start
    assert cupy.machine.contexts == {index}


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


def test_a_capture_is_launched_on_the_main_stream(cupy: FakeCupy) -> None:
    device = GpuDevice(0, "fp32")
    source, target = Array.empty(device, (3,), FLOAT), Array.empty(device, (3,), FLOAT)
    graph = device.capture(lambda: device.copy(source.address, target.address, 12))
    source[...] = np.ones(3, np.float32)
    graph.launch()
    assert (target.download() == 1).all()


@pytest.mark.parametrize("act", ["copy", "kernel"])
def test_a_side_stream_is_beside_the_main_one(cupy: FakeCupy, act: str) -> None:
    device = GpuDevice(0, "fp32")
    ones = np.ones(8, np.float32)
    source, target, side = CudaEngine(device).upload(ones), Array.empty(device, (8,), FLOAT), device.stream()
    if act == "copy":
        device.to_device(ones, target.address, side)
    else:
        arguments = [source.argument, target.argument, np.asarray(np.int64(2)), np.asarray(np.float32(1))]
        device.launch("scale", (1, 1, 1), (32, 1, 1), arguments, side)
    assert np.isnan(target.download()).all()
    device.main.wait_for(side)
    assert (target.download() == 1).all()


@pytest.mark.parametrize("act", ["wait_for", "synchronize", "allocate", "pinned", "stream", "mark", "gemm", "copy"])
def test_a_thread_may_begin_with_anything(cupy: FakeCupy, act: str) -> None:
    device = GpuDevice(1, "fp32")
    a, side = CudaEngine(device).upload(np.ones((8, 8), np.float32)), device.stream()
    acts: dict[str, Callable[[], object]] = {
        "wait_for": lambda: side.wait_for(device.main),
        "synchronize": device.main.synchronize,
        "allocate": lambda: device.to_host(device.allocate(64).address, np.empty(64, np.uint8)),
        "pinned": lambda: device.pinned(8),
        "stream": lambda: device.main.wait_for(device.stream()),
        "mark": device.mark,
        "gemm": lambda: device.gemm(a, a, Array.empty(device, (8, 8), FLOAT)),
        "copy": lambda: device.copy(a.address, a.address, 64),
    }
    elsewhere(acts[act])
    assert cupy.machine.contexts == {1}


def test_memory_is_in_the_main_streams_order(cupy: FakeCupy) -> None:
    """Whatever stream is current: what it was used for before comes first there."""
    device = GpuDevice(0, "fp32")
    address = device.allocate(1000).address
    with cupy.cuda.Stream(non_blocking=True):
        assert device.allocate(1000).address == address


def test_memory_under_test_is_nan_whatever_lay_in_it(cupy: FakeCupy) -> None:
    device = PoisonedGpu(0, "fp32")
    array = CudaEngine(device).upload(np.ones(100, np.float32))
    address = array.address
    del array
    given = [Array.empty(device, (100,), FLOAT) for _ in range(32)]  # all that is free, and some new
    assert address in {each.address for each in given}
    assert all(np.isnan(each.download()).all() for each in given)


def test_processes_are_told_apart_by_their_gpus(cupy: FakeCupy) -> None:
    first, same, other = (GpuDevice(index, "fp32").identity for index in (0, 0, 1))
    assert first == same != other


def augmented(engine: CudaEngine, out: Array, *pixels: int) -> None:
    """Images of 9 x 9 x 3 equal pixels, cropped into `out`."""
    mean = engine.upload(np.zeros((9, 9, 3), np.float32))
    count = len(pixels)
    view = np.zeros((count, 2), np.int32), np.zeros(count, np.uint8), np.zeros((count, 3), np.float32)
    engine.ops.augment([np.full((9, 9, 3), value, np.uint8) for value in pixels], mean, out, *view, divide=1.0)


def test_a_batch_is_whole_before_the_next_one_takes_its_place(cupy: FakeCupy) -> None:
    engine = CudaEngine(GpuDevice(0, "fp32"))
    outs = [engine.maps(2, 3, 5, 5) for _ in range(3)]
    for value, out in enumerate(outs):
        augmented(engine, out, value, value + 10)
    found = [engine.unpack(out, 2)[:, 0, 0, 0].tolist() for out in outs]
    assert found == [[0, 10], [1, 11], [2, 12]]


def test_numbers_of_steps_that_wait_in_the_queue_are_kept(cupy: FakeCupy) -> None:
    """The host writes numbers ahead of the steps that read them, and never over those that are not yet copied."""
    engine = CudaEngine(GpuDevice(0, "fp32"))
    w, v, g = (engine.upload(np.full(4, value, np.float32)) for value in (0, 0, 1))

    def work(numbers: Sequence[Scalar]) -> None:
        rate, none = numbers
        engine.ops.sgd(w, v, g, rate=rate, momentum=none, decay=none)

    rates = [float(2**power) for power in range(12)]
    for rate in rates:
        engine.repeat(work, [rate, 0.0], ())
    assert engine.download(w).tolist() == [-sum(rates)] * 4


def test_values_are_those_of_the_moment_they_were_asked_for(cupy: FakeCupy) -> None:
    engine = CudaEngine(GpuDevice(0, "fp32"))
    array, other = (engine.upload(np.full(4, value, np.float32)) for value in (1, 2))
    first = engine.fetch(array)
    array[...] = other
    second = engine.fetch(array)
    assert (second().tolist(), first().tolist()) == ([2] * 4, [1] * 4)


def test_a_batch_s_arrays_begin_where_any_type_may(cupy: FakeCupy) -> None:
    device, seen = GpuDevice(0, "fp32"), []
    others = np.arange(3, dtype=np.uint8), np.arange(5, dtype=np.float64)

    def kernel(stream: Stream, *arrays: Array) -> None:
        stream.synchronize()
        seen.extend(arrays)

    Staging(device).run(kernel, [np.full((3, 3, 3), 7, np.uint8)] * 3, *others)
    assert [each.address % 256 for each in seen] == [0, 0, 0]
    assert [each.shape for each in seen] == [(3, 3, 3, 3), (3,), (5,)]
    assert (seen[0].download() == 7).all()
    assert all(np.array_equal(there.download(), here) for there, here in zip(seen[1:], others, strict=True))


def test_records_keep_the_scratch_memory_that_was_outgrown(cupy: FakeCupy) -> None:
    """A larger use takes new memory; what was recorded still runs on the old, which nobody else may be given."""
    device = GpuDevice(0, "fp32")
    engine, workspace = CudaEngine(device), Workspace(device)
    source, target = engine.upload(np.ones(256, np.float32)), engine.upload(np.zeros(256, np.float32))

    def work(numbers: Sequence[Scalar]) -> None:
        scratch = workspace.take("scratch", (256,), FLOAT)
        scratch[...] = source
        target[...] = scratch

    engine.repeat(work, [], ())
    engine.repeat(work, [], ())
    workspace.take("scratch", (1000,), FLOAT)
    kept = engine.upload(np.full(256, 7, np.float32))
    engine.repeat(work, [], ())
    assert (engine.download(kept) == 7).all() and (engine.download(target) == 1).all()


def test_a_batch_is_not_copied_into_memory_still_in_use(cupy: FakeCupy) -> None:
    """The pool gives the first batch what the main stream has just let go of, and may not have come past."""
    engine = CudaEngine(GpuDevice(0, "fp32"))
    mean, out = engine.upload(np.zeros((9, 9, 3), np.float32)), engine.maps(1, 3, 5, 5)
    view = np.zeros((1, 2), np.int32), np.zeros(1, np.uint8), np.zeros((1, 3), np.float32)
    kept, passing = engine.upload(np.zeros(256, np.float32)), engine.upload(np.ones(256, np.float32))
    address = passing.address
    kept[...] = passing
    del passing
    engine.ops.augment([np.full((9, 9, 3), 7, np.uint8)], mean, out, *view, divide=1.0)
    assert cupy.machine.reused == [address], "the batch's memory is another"
    assert (engine.download(kept) == 1).all()


def test_a_batch_is_not_written_where_the_last_one_is_still_read(cupy: FakeCupy) -> None:
    engine = CudaEngine(GpuDevice(0, "fp32"))
    mean, out = engine.upload(np.zeros((9, 9, 3), np.float32)), engine.maps(1, 3, 5, 5)
    view = np.zeros((1, 2), np.int32), np.zeros(1, np.uint8), np.zeros((1, 3), np.float32)
    engine.ops.augment([np.full((9, 9, 3), 7, np.uint8)], mean, out, *view, divide=1.0)
    kept = engine.maps(1, 3, 5, 5)
    kept[...] = out  # the main stream comes to it later
    engine.ops.augment([np.full((9, 9, 3), 9, np.uint8)], mean, out, *view, divide=1.0)
    assert (engine.unpack(kept, 1) == 7).all() and (engine.unpack(out, 1) == 9).all()


def test_a_gpu_that_is_not_there_is_named(cupy: FakeCupy) -> None:
    with pytest.raises(Failure, match=r"GPU 3 is not there: CUDA finds 2"):
        GpuDevice(3, "fp32")


def test_an_old_gpu_is_refused(cupy: FakeCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Device, "capability", "75")
    with pytest.raises(Failure, match=r"capability 7\.5; 8\.0"):
        GpuDevice(0, "fp32")


def test_the_real_cupy_has_what_the_likeness_has() -> None:
    real = pytest.importorskip("cupy", reason="CuPy is not installed")
    assert hasattr(real.RawModule, "get_function") and hasattr(real.RawKernel, "kernel")
    likeness = FakeCupy().cuda
    for module in ("runtime", "driver"):
        assert [each for each in vars(getattr(likeness, module)) if not hasattr(getattr(real.cuda, module), each)] == []
    assert [each for each in vars(likeness) if each not in LIBRARIES and not hasattr(real.cuda, each)] == []
    names = {"cublas": vars(likeness.cublas), "nccl": NCCL}
    for module, wanted in names.items():
        spec = find_spec(f"cupy_backends.cuda.libs.{module}")
        assert spec is not None and spec.origin is not None
        compiled = Path(spec.origin).read_bytes()  # loaded only where NVIDIA's library is
        assert [each for each in wanted if each.encode() not in compiled] == [], module
    assert {"record", "wait_event", "begin_capture", "end_capture"} <= set(dir(real.cuda.Stream))
    assert {"compute_capability", "pci_bus_id", "use"} <= set(dir(real.cuda.Device))
    arguments = real.cuda.driver.launchKernel.__doc__
    assert "f, unsigned int grid_dim_x" in arguments and "intptr_t stream, intptr_t kernel_params" in arguments
