"""The trainer, its loader and its checkpoints on the CUDA engine: it does not know which engine runs."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cuda_bench import device
from PIL import Image

from alexnet.checkpoint import read
from alexnet.engines.cpu import CpuEngine
from alexnet.engines.cuda import CudaEngine
from alexnet.links.solo import SoloLink
from alexnet.log import read as read_log
from alexnet.recipe import load
from alexnet.shards import Dataset
from alexnet.train import Trainer

HERE = Path(__file__).parent
STEPS = 6


@pytest.fixture(scope="module")
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


def train(engine: object, data: Path, run: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:  # type: ignore[type-arg]
    """The losses of each step, and the weights at the end."""
    (run / "checkpoints").mkdir(parents=True)
    recipe = load(str(HERE / "small.toml"))
    trainer = Trainer(run, Dataset(data), recipe, 1, engine, SoloLink(2), {})  # type: ignore[arg-type]
    trainer.begin([])
    assert trainer.run(STEPS)
    losses = [row["loss"] for row in read_log(run / "log.jsonl") if "loss" in row]
    return np.array(losses), read(run / "checkpoints" / f"step-{STEPS:08d}.h5").weights


def test_training_follows_the_cpu_engine(data: Path, tmp_path: Path) -> None:
    cpu, cpu_weights = train(CpuEngine(1), data, tmp_path / "cpu")
    cuda, cuda_weights = train(CudaEngine(device("fp32", 1)), data, tmp_path / "cuda")
    assert len(cuda) == STEPS
    assert np.abs(cuda / cpu - 1).max() <= 1e-4
    for name, values in cpu_weights.items():
        assert np.abs(cuda_weights[name] - values).max() <= 1e-4 * np.abs(values).max(), name


def test_the_same_training_twice_is_the_same_bit_for_bit(data: Path, tmp_path: Path) -> None:
    runs = [train(CudaEngine(device("bf16", seed)), data, tmp_path / str(seed)) for seed in (1, 2)]
    assert np.array_equal(runs[0][0], runs[1][0])
    assert all(np.array_equal(values, runs[1][1][name]) for name, values in runs[0][1].items())
