"""Run by mpiexec in 2 or 4 processes: the links for device arrays, on whole numbers, bit for bit.

`python cuda_links_program.py staged|nccl|real PRECISION`: nccl has an MPI likeness of NCCL in its place; real takes
two GPUs and the link that suits them.
"""

import ctypes
import sys
from pathlib import Path
from typing import Any

import numpy as np
from cuda_bench import device
from cuda_net import Run, images
from mpi4py import MPI
from simulated_streams import MainStream

from alexnet.engines import Precision
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Device, from_bf16, to_bf16
from alexnet.engines.cuda.gpu import GpuDevice
from alexnet.links.mpi import MpiLink
from alexnet.links.nccl import Nccl, NcclLink, link_gpus, own_gpu
from alexnet.links.staged import StagedLink
from alexnet.recipe import load

FLOAT32, BFLOAT16, SUM, STREAM = 7, 9, 0, 1234
STEPS = 5


class Likeness:
    """NCCL's collectives on host memory, through MPI, in a stream's order; counts are in elements, as NCCL's are."""

    def __init__(self, processes: MPI.Comm, stream: MainStream) -> None:
        self._processes, self._stream = processes, stream

    def allGather(self, send: int, receive: int, count: int, kind: int, stream: int) -> None:
        assert stream == STREAM
        size = self._processes.size

        def run() -> None:
            self._processes.Allgather(_view(send, count, kind), _view(receive, count * size, kind))

        self._stream.give(run)

    def reduceScatter(self, send: int, receive: int, count: int, kind: int, op: int, stream: int) -> None:
        assert (op, stream) == (SUM, STREAM)

        def run() -> None:
            total = np.empty(count, np.float32)
            values = _floats(_view(send, count * self._processes.size, kind))
            self._processes.Reduce_scatter_block(values, total, MPI.SUM)
            _view(receive, count, kind)[...] = to_bf16(total) if kind == BFLOAT16 else total

        self._stream.give(run)

    def allReduce(self, send: int, receive: int, count: int, kind: int, op: int, stream: int) -> None:
        assert (op, stream, kind, send) == (SUM, STREAM, FLOAT32, receive)
        self._stream.give(lambda: self._processes.Allreduce(MPI.IN_PLACE, _view(receive, count, kind), MPI.SUM))

    def check_async_error(self) -> None:
        pass

    def abort(self) -> None:
        raise AssertionError("nobody is gone")


def _view(address: int, count: int, kind: int) -> np.ndarray:  # type: ignore[type-arg]
    dtype = np.dtype(np.uint16 if kind == BFLOAT16 else np.float32)
    return np.frombuffer((ctypes.c_char * (count * dtype.itemsize)).from_address(address), dtype)


def _floats(values: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return from_bf16(values) if values.dtype == np.uint16 else np.ascontiguousarray(values)


def link(kind: str, there: Any) -> MpiLink:
    def ended(why: str) -> None:
        raise AssertionError(why)

    if kind == "real":
        return link_gpus(2, there, ended)
    if kind == "staged":
        return StagedLink(2)

    def connect(processes: MPI.Comm) -> Likeness:
        return Likeness(processes, there.main)

    return NcclLink(2, Nccl(connect, lambda: None, lambda: None, FLOAT32, BFLOAT16, SUM), STREAM, ended)


def main(kind: str, precision: Precision) -> None:
    there = GpuDevice(own_gpu(range(2)), precision) if kind == "real" else device(precision, 1)
    engine, connection = CudaEngine(there), link(kind, there)
    column, replica = connection.place.owned.start, connection.place.replica
    whole_values = np.arange(3 * 4 * 2 * 2, dtype=np.float32).reshape(3, 4, 2, 2) % 13 + 16 * replica
    own_values = whole_values[:, 2 * column : 2 * column + 2]
    own, whole = engine.maps(3, 2, 2, 2), engine.maps(3, 4, 2, 2)

    engine.pack(own_values, own)
    connection.gather(own, whole)
    assert np.array_equal(engine.unpack(whole, 3), whole_values)

    engine.pack(whole_values * (column + 1), whole)
    connection.scatter(whole, own)
    assert np.array_equal(engine.unpack(own, 3), own_values * 3)  # 1 + 2 times the values

    gradients = [engine.upload(np.full(size, 1.0 + connection.rank, np.float32)) for size in (1, 7)]
    connection.average(gradients)
    same_column = range(column, connection.world.size, 2)
    wanted = sum(1.0 + rank for rank in same_column)
    assert all((engine.download(each) == wanted).all() for each in gradients)
    if kind != "staged":
        recorded_steps(there, connection)
    connection.close()


def recorded_steps(there: Device, connection: MpiLink) -> None:
    """Steps recorded with their exchanges are the steps, bit for bit."""
    recipe = load(str(Path(__file__).with_name("small.toml")))
    pixels = images(np.random.default_rng(connection.place.replica), 5, recipe.net.crop) / 50
    weights = []
    for records in (False, True):
        engine = CudaEngine(there, records=records)
        run = Run(recipe, engine, connection, pixels, np.array([0, 1, 2, 3, 5], np.int32))
        for step in range(STEPS):
            run.step(step, 0.01 / (1 + step))
        weights.append([engine.download(each.value) for each in run.net.parameters])
    assert all(np.array_equal(one, other) for one, other in zip(*weights, strict=True))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])  # type: ignore[arg-type]
