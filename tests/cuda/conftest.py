"""Engines on the simulated device; with ALEXNET_GPU=1 the same tests run on the first real one."""

import os
import shutil
from functools import cache
from typing import Any

import numpy as np
import pytest
from bench import Bench

from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Device, Precision
from alexnet.engines.cuda.simulated import Options, SimulatedDevice

REAL = os.environ.get("ALEXNET_GPU") == "1"
SEEDS = [0] if REAL else [1, 2, 3]


def pytest_collection_modifyitems(items: list[Any]) -> None:
    if not REAL and shutil.which("g++") is None and "CXX" not in os.environ:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="the simulated CUDA device needs a C++ compiler"))


@cache
def device(precision: Precision, seed: int) -> Device:
    if REAL:
        from alexnet.engines.cuda.gpu import GpuDevice

        return GpuDevice(0, precision)
    return SimulatedDevice(precision, Options(seed=seed))


@pytest.fixture(params=["fp32", "tf32", "bf16"])
def precision(request: pytest.FixtureRequest) -> Precision:
    chosen: Precision = request.param
    return chosen


@pytest.fixture(params=SEEDS, ids=lambda seed: f"order{seed}")
def bench(request: pytest.FixtureRequest, precision: Precision) -> Bench:
    return Bench(CudaEngine(device(precision, request.param)), precision)


@pytest.fixture
def random(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(sum(request.node.name.encode()))
