"""The likeness of CuPy refuses what CUDA refuses, and its streams are as late as CUDA's may be."""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda_fake_cupy import FakeCupy
from cuda_fake_nccl import FLOAT32, SUM, NcclError
from cuda_fake_runtime import CUDARuntimeError
from simulated import compile_kernels

from alexnet.engines.cuda.sources import source_directory


class Gpu:
    """A stream of one GPU, and 64 bytes of memory."""

    def __init__(self, cupy: FakeCupy, index: int) -> None:
        self.device = cupy.cuda.Device(index)
        with self.device:
            self.stream = cupy.cuda.Stream(non_blocking=True)
            with self.stream:
                self.memory = cupy.cuda.alloc(64)
            self.event = cupy.cuda.Event()


@pytest.fixture
def cupy() -> FakeCupy:
    return FakeCupy(2)


@pytest.fixture
def gpus(cupy: FakeCupy) -> list[Gpu]:
    return [Gpu(cupy, index) for index in range(2)]


def launch(cupy: FakeCupy, function: int, stream: Any, memory: Any) -> None:
    values = [np.array(memory.ptr), np.array(memory.ptr), np.array(0, np.int64), np.array(1, np.float32)]
    parameters = (ctypes.c_void_p * len(values))(*(each.ctypes.data for each in values))
    cupy.cuda.driver.launchKernel(function, 1, 1, 1, 32, 1, 1, 0, stream.ptr, ctypes.addressof(parameters), 0)


def kernel(cupy: FakeCupy) -> int:
    """`scale` of the current GPU."""
    compile_kernels(source_directory() / "engine.cu", "fp32")
    module = cupy.RawModule(code='#include "conv.cu"', options=("-DPRECISION=FP32",))
    function: int = module.get_function("scale").kernel.ptr
    return function


def captured(gpu: Gpu) -> Any:
    with gpu.device, gpu.stream:
        gpu.stream.begin_capture("relaxed")
        return gpu.stream.end_capture()


REFUSED: dict[str, Callable[[FakeCupy, Gpu, Gpu], object]] = {
    "an event that a stream makes while another GPU is current": lambda cupy, one, other: other.stream.record(),
    "an event of another GPU": lambda cupy, one, other: one.event.record(other.stream),
    "the time between two GPUs": lambda cupy, one, other: cupy.cuda.get_elapsed_time(one.event, other.event),
    "a kernel of another GPU": lambda cupy, one, other: launch(cupy, kernel(cupy), other.stream, other.memory),
    "a kernel with another GPU's memory": lambda cupy, one, other: launch(cupy, kernel(cupy), one.stream, other.memory),
    "a copy into another GPU's memory": lambda cupy, one, other: cupy.cuda.runtime.memcpyAsync(
        other.memory.ptr, one.memory.ptr, 64, "inside", one.stream.ptr
    ),
    "a copy beyond the end": lambda cupy, one, other: cupy.cuda.runtime.memcpyAsync(
        one.memory.ptr, one.memory.ptr + 512, 64, "inside", one.stream.ptr
    ),
    "another GPU's stream made current": lambda cupy, one, other: other.stream.__enter__(),
    "a graph while another GPU is current": lambda cupy, one, other: captured(other).launch(other.stream),
    "a graph in another GPU's stream": lambda cupy, one, other: captured(other).launch(one.stream),
    "a collective in another GPU's stream": lambda cupy, one, other: alone(cupy).allReduce(
        one.memory.ptr, one.memory.ptr, 4, FLOAT32, SUM, other.stream.ptr
    ),
    "a collective with another GPU's memory": lambda cupy, one, other: alone(cupy).allReduce(
        other.memory.ptr, other.memory.ptr, 4, FLOAT32, SUM, one.stream.ptr
    ),
    "a group's end without its start": lambda cupy, one, other: cupy.cuda.nccl.groupEnd(),
}


def alone(cupy: FakeCupy) -> Any:
    nccl = cupy.cuda.nccl
    return nccl.NcclCommunicator(1, nccl.get_unique_id(), 0)


@pytest.mark.parametrize("what", REFUSED)
def test_refused(cupy: FakeCupy, gpus: list[Gpu], what: str) -> None:
    with pytest.raises((CUDARuntimeError, NcclError)):
        REFUSED[what](cupy, *gpus)


def test_each_thread_has_a_current_gpu_of_its_own(cupy: FakeCupy) -> None:
    seen = []
    with cupy.cuda.Device(1):
        thread = threading.Thread(target=lambda: seen.append(cupy.machine.current))
        thread.start()
        thread.join()
        assert cupy.machine.current == 1
    assert seen == [0] and cupy.machine.current == 0


def test_a_stream_is_late_until_somebody_waits(cupy: FakeCupy, gpus: list[Gpu]) -> None:
    gpu, values, found = gpus[0], np.ones(16, np.float32), np.zeros(16, np.float32)
    copy = cupy.cuda.runtime.memcpyAsync
    copy(gpu.memory.ptr, values.ctypes.data, 64, "in", gpu.stream.ptr)
    copy(found.ctypes.data, gpu.memory.ptr, 64, "out", gpu.stream.ptr)
    values[:] = 2  # too early: the copy has not come past
    assert (found == 0).all()
    gpu.stream.record().synchronize()
    assert (found == 2).all()


def test_free_memory_goes_to_the_next_who_asks_in_the_same_stream(cupy: FakeCupy, gpus: list[Gpu]) -> None:
    with gpus[0].device, gpus[0].stream:
        address = cupy.cuda.alloc(1000).ptr
        with cupy.cuda.Stream(non_blocking=True):
            assert cupy.cuda.alloc(1000).ptr != address
        assert cupy.cuda.alloc(1000).ptr == address
