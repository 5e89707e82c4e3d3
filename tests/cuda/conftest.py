"""A bench for each precision and order of threads."""

import os
import shutil
from typing import Any

import numpy as np
import pytest
from cuda_bench import REAL, SEEDS, Bench, device

from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Precision


def pytest_collection_modifyitems(items: list[Any]) -> None:
    if not REAL and shutil.which("g++") is None and "CXX" not in os.environ:
        for item in items:
            if "tests/cuda/" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason="the simulated CUDA device needs a C++ compiler"))


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
