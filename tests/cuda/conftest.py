"""A bench for each precision and order of threads."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_bench import REAL, SEEDS, Bench, device
from PIL import Image

from alexnet.engines import Precision
from alexnet.engines.cuda import CudaEngine, sources

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[Any]) -> None:
    if not REAL and shutil.which("g++") is None and "CXX" not in os.environ:
        for item in items:
            if "tests/cuda/" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason="the simulated CUDA device needs a C++ compiler"))


@pytest.fixture(autouse=True)
def sources_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The likenesses run sources; an nvcc on PATH has made fat binaries beside those that are installed."""
    if not REAL:
        monkeypatch.setattr(sources, "source_directory", lambda: ROOT / "engine" / "cuda")


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


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of made-up photographs, prepared."""
    folder = tmp_path_factory.mktemp("cuda")
    random = np.random.default_rng(3)
    for index in range(60):
        path = folder / "images" / f"class{index % 3}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.normal(80 + 40 * (index % 3), 40, (32, 32, 3)).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    arguments = ["prep", folder / "images", "--out", folder / "data", "--size", 32, "--workers", 1]
    command = [sys.executable, "-m", "alexnet", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return folder / "data"
