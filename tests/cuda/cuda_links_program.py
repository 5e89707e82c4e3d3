"""Run by mpiexec in 2 or 4 processes: the links for device arrays, on whole numbers, bit for bit.

`python cuda_links_program.py shared|nccl PRECISION`: all processes share one GPU, or each has its own; without
ALEXNET_GPU=1 these are likenesses.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from cuda_bench import REAL
from cuda_fake_cupy import FakeCupy, install
from cuda_net import Run, images
from mpi4py import MPI

from alexnet.engines import Precision
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Device
from alexnet.engines.cuda.gpu import GpuDevice
from alexnet.links.mpi import MpiLink
from alexnet.links.nccl import NcclLink, link_gpus, own_gpu
from alexnet.links.staged import StagedLink
from alexnet.recipe import load

STEPS = 5


def main(kind: str, precision: Precision) -> None:
    def ended(why: str) -> None:
        raise AssertionError(why)

    gpus = 1 if kind == "shared" else MPI.COMM_WORLD.size
    if not REAL:
        install(FakeCupy(gpus), pytest.MonkeyPatch())
    there = GpuDevice(own_gpu(range(gpus)), precision)
    engine, connection = CudaEngine(there), link_gpus(2, there, ended)
    assert isinstance(connection, StagedLink if kind == "shared" else NcclLink)
    for maps in (4, 3):  # of both columns; the second has one more of three
        exchanges(engine, connection, maps)
    gradients = [engine.upload(np.full(size, 1.0 + connection.rank, np.float32)) for size in (1, 7)]
    connection.average(gradients)
    connection.averaged()
    if kind == "nccl" and not REAL:
        made = sys.modules["cupy.cuda.nccl"]
        assert made.groups == 2 + (connection.place.replicas > 1), "of uneven shares, of sums"
        assert there.main.handle.ptr not in made.summed_in, "sums are beside the main stream"
    same_column = range(connection.place.owned.start, connection.world.size, 2)
    wanted = sum(1.0 + rank for rank in same_column)
    assert all((engine.download(each) == wanted).all() for each in gradients)
    if kind == "nccl":
        recorded_steps(there, connection)
    connection.close()


def exchanges(engine: CudaEngine, connection: MpiLink, maps: int) -> None:
    """A crossing of `maps` maps there and back."""
    column, replica = connection.place.owned.start, connection.place.replica
    rows = connection.place.rows_of(maps)
    whole_values = np.arange(3 * maps * 2 * 2, dtype=np.float32).reshape(3, maps, 2, 2) % 13 + 16 * replica
    own_values = whole_values[:, rows.start : rows.stop]
    own, whole = engine.maps(3, len(rows), 2, 2), engine.maps(3, maps, 2, 2)

    engine.pack(own_values, own)
    connection.gather(own, whole)
    assert np.array_equal(engine.unpack(whole, 3), whole_values)

    engine.pack(whole_values * (column + 1), whole)
    connection.scatter(whole, own)
    assert np.array_equal(engine.unpack(own, 3), own_values * 3)  # 1 + 2 times the values


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
