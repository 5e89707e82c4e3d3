"""Commands on a machine that plays having GPUs: a likeness of CuPy on the path, kernels on the simulated device."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_bench import REAL, compile_engine
from cuda_fake_driver import driver

from alexnet.console import counted
from alexnet.runs.checkpoint import read
from alexnet.runs.log import read as read_log

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

pytestmark = pytest.mark.skipif(REAL, reason="a machine that plays having a GPU has none")


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each number of GPUs, with the library that lists them; and the kernels compiled."""
    folder = tmp_path_factory.mktemp("drivers")
    for gpus in ("1", "2"):
        (folder / gpus).mkdir()
        driver(folder / gpus, int(gpus))
    for precision in ("fp32", "tf32", "bf16"):
        compile_engine(precision)
    return folder


def environment(driver: Path, *path: Path) -> dict[str, str]:
    beside = [*map(str, path), str(Path(sys.executable).parent), os.environ["PATH"]]
    likeness = os.pathsep.join([str(HERE / "likeness"), str(HERE), *filter(None, sys.path)])
    told = {"PATH": os.pathsep.join(beside), "PYTHONPATH": likeness, "LD_LIBRARY_PATH": str(driver)}
    return os.environ | told | {"OPENBLAS_NUM_THREADS": "1"}


def test_gpu_check_runs_to_its_end(drivers: Path, tmp_path: Path) -> None:
    """Every part of the script that a machine with one GPU would run, on a small net; its tests are only collected."""
    sanitizer = tmp_path / "compute-sanitizer"
    sanitizer.write_text('#!/bin/sh\n[ "$1 $3 $4" = "--tool --error-exitcode 1" ] && shift 4 && exec "$@"\n')
    sanitizer.chmod(0o755)
    variables = environment(drivers / "1", tmp_path) | {
        "PYTEST_ADDOPTS": "--collect-only",
        "PYTHON": sys.executable,
        "PATIENCE": "20",
    }
    command = [str(ROOT / "scripts" / "gpu_check.sh"), str(tmp_path / "out"), str(HERE / "small.toml"), "8"]
    done = subprocess.run(["bash", *command], env=variables, cwd=ROOT, capture_output=True, text=True, timeout=300)
    logs = {log.stem: log.read_text() for log in (tmp_path / "out").glob("*.log")}
    assert done.returncode == 0, (done.stderr, logs)
    report = json.loads((tmp_path / "out" / "gpu_check.json").read_text())
    ended = {name: part["status"] for name, part in report["parts"].items()}
    skipped = {name for name, status in ended.items() if status == "skipped"}
    assert {name for name in skipped if not name.startswith("torch")} == {"nccl_link"} | {
        f"bench_two_gpus_{precision}" for precision in ("fp32", "tf32", "bf16")
    }
    assert ended["operations"] == ended["trajectories"] == "passed"
    assert "test_cuda_net.py: " in logs["trajectories"] and "test_cuda_lrn.py: " in logs["operations"]
    assert "test_cuda_net.py: " not in logs["operations"]
    for precision in ("fp32", "tf32", "bf16"):
        found = report["parts"][f"bench_{precision}"]["found"]
        assert found["ceilings"]["gflops"] > 0
        assert {each["kernel"] for each in found["kernels"]} >= {
            "sgd",
            "lrn_backward_walk",
            "fc_forward",
            "softmax_loss",
        }
        assert all(each["seconds"] > 0 and each["share"] > 0 for each in found["kernels"])
        assert len(report["parts"][f"one_gpu_two_processes_{precision}"]["found"]) == 11  # the losses, five layers
    told = (tmp_path / "out" / "gpu_check.md").read_text()
    assert "| conv2 | " in told and "| conv2 `conv_backward_weights_lowest` | 1 | " in told


def test_the_parts_of_gpu_check_end_within_eight_minutes() -> None:
    """Those of a machine with one GPU, each at its limit."""
    script = (ROOT / "scripts" / "gpu_check.sh").read_text(encoding="utf-8")
    limits = [(name, int(limit)) for name, limit in re.findall(r"^ *part (\S+) (\d+) ", script, re.MULTILINE)]
    assert len(limits) == len(re.findall(r"^ *part ", script, re.MULTILINE)), "a part without a limit"
    times = {"$precision": 3, "$tool": 4}
    alone = [(name, limit) for name, limit in limits if "two_gpus" not in name and name != "nccl_link"]
    assert sum(limit * next((n for what, n in times.items() if what in name), 1) for name, limit in alone) <= 480


def test_gpu_check_without_a_gpu_says_so(tmp_path: Path) -> None:
    told = os.environ | {"PYTHON": sys.executable}
    command = ["bash", str(ROOT / "scripts" / "gpu_check.sh"), str(tmp_path / "out")]
    done = subprocess.run(command, env=told, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "no NVIDIA driver" in done.stderr


def alexctl(driver: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "alexnet", *map(str, arguments)]
    return subprocess.run(command, env=environment(driver), cwd=folder, capture_output=True, text=True, timeout=300)


def train(driver: Path, data: Path, run: Path, gpus: str) -> None:
    """Nine steps of the small net, one process for each GPU named."""
    options = "--recipe", HERE / "small.toml", "--gpus", gpus, "--steps", 9, "--out", run
    done = alexctl(driver, run.parent, "train", data, *options)
    assert done.returncode == 0, done.stderr
    count = len(gpus.split(","))
    processes = counted(count, "process", "processes")
    assert f"{processes} of" in done.stderr and f"on {counted(count, 'GPU')} in fp32" in done.stderr


def told(driver: Path, folder: Path, *arguments: object) -> dict[str, Any]:
    """What a command says in JSON."""
    done = alexctl(driver, folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_train_eval_and_predict_on_a_gpu(drivers: Path, data: Path, tmp_path: Path) -> None:
    """What is trained on the GPU is measured alike on the GPU and on the CPU."""
    here, image = drivers / "1", next((data.parent / "images").glob("*/*.png"))
    train(here, data, tmp_path / "run", "0")
    found = []
    for device in (("--gpus", "0"), ("--device", "cpu")):
        probs = tmp_path / f"{device[1]}.npz"
        report = told(here, tmp_path, "eval", "run", *device, "--probs", probs)
        top = told(here, tmp_path, "predict", "run", image, *device)
        found.append((report, np.load(probs)["probs"], top["predictions"][0]["top"][0]))
    assert found[0][0] == found[1][0]
    assert np.abs(found[0][1] - found[1][1]).max() <= 1e-5
    assert found[0][2]["class"] == found[1][2]["class"]
    assert found[0][2]["probability"] == pytest.approx(found[1][2]["probability"], abs=1e-5)
    two = alexctl(here, tmp_path, "eval", "run", "--gpus", "0,0")
    assert two.returncode == 1
    assert two.stderr.strip() == "alexctl: --gpus 0,0: this runs on one GPU; name one of them"


def test_two_gpus_train_what_one_does(drivers: Path, data: Path, tmp_path: Path) -> None:
    """A column a process, exchanges through NCCL, steps recorded: the numbers are the same within rounding."""
    found = []
    for gpus in ("0", "0,1"):
        run = tmp_path / gpus.replace(",", "and")
        train(drivers / "2", data, run, gpus)
        losses = [row["loss"] for row in read_log(run / "log.jsonl") if "loss" in row]
        found.append((losses, read(run / "checkpoints" / "step-00000009.h5").weights))
    assert len(found[0][0]) == len(found[1][0]) == 9
    assert np.abs(np.array(found[1][0]) / found[0][0] - 1).max() <= 1e-4
    for name, values in found[0][1].items():
        assert np.abs(found[1][1][name] - values).max() <= 1e-4 * np.abs(values).max(), name


def test_pytorch_is_asked_for_the_same_net() -> None:
    import torch  # not at the top: where the GPU is there need be none

    spec = importlib.util.spec_from_file_location("gpu_torch", ROOT / "scripts" / "gpu_torch.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.net()
    assert net(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert sum(each.numel() for each in net.parameters()) == 60_965_224
