"""1, 2 and 4 processes compute the same: the first step to 1e-5, a training as closely as rounding lets it.

Every run has dropout and augmentation on. How far two runs may part is measured: three times what a perturbation of
the first weights by 1e-7 makes of one of them.
"""

import subprocess
import sys

import numpy as np
import pytest

from alexnet.machine import launch
from alexnet.net.weights import load_safetensors, save_safetensors
from alexnet.runs.checkpoint import read
from alexnet.runs.log import read as read_log

STEPS = 20


def losses(run):
    return np.array([row["loss"] for row in read_log(run / "log.jsonl") if "loss" in row])


def checkpoint(run, step):
    return read(run / "checkpoints" / f"step-{step:08d}.h5")


@pytest.fixture(scope="module")
def runs(workshop, tmp_path_factory):
    """The same training in 1, 2 and 4 processes: one step, and twenty."""
    folder = tmp_path_factory.mktemp("processes")
    made = {}
    for processes in (1, 2, 4):
        for steps in (1, STEPS):
            made[processes, steps] = folder / f"{processes}-{steps}"
            workshop.train(made[processes, steps], "--procs", processes, "--steps", steps)
    return made


@pytest.mark.parametrize("processes", [2, 4])
def test_first_step(runs, processes):
    one, more = runs[1, 1], runs[processes, 1]
    assert losses(more) == pytest.approx(losses(one), rel=1e-5)
    straight, other = checkpoint(one, 1), checkpoint(more, 1)
    assert straight.momenta.keys() == other.momenta.keys()
    for name, values in straight.momenta.items():  # after one step: -rate * (gradient + decay * weight)
        assert np.abs(values).max() > 0, f"{name} got no gradient"
        assert np.abs(other.momenta[name] - values).max() <= 1e-5 * np.abs(values).max(), name


@pytest.mark.parametrize("processes", [2, 4])
def test_twenty_steps(workshop, runs, processes, tmp_path):
    first = tmp_path / "first.safetensors"
    workshop.train(tmp_path / "begin", "--procs", 1, "--steps", 1, "--set", "train.rate=0")
    weights = checkpoint(tmp_path / "begin", 1).weights
    generator = np.random.default_rng(5)
    noisy = {
        name: (values * (1 + 1e-7 * generator.standard_normal(values.shape))).astype(np.float32)
        for name, values in weights.items()
    }
    save_safetensors(first, noisy)
    assert any((load_safetensors(first)[name] != weights[name]).any() for name in weights)
    workshop.train(tmp_path / "noisy", "--procs", 1, "--steps", STEPS, "--init", first)
    straight = losses(runs[1, STEPS])
    allowed = 3 * np.abs(losses(tmp_path / "noisy") - straight).max()
    parted = np.abs(losses(runs[processes, STEPS]) - straight).max()
    assert len(straight) == STEPS and allowed > 0
    assert parted <= allowed, f"parted by {parted:.2e}, allowed {allowed:.2e}"


def test_processes_that_a_launcher_started_are_joined(workshop, runs, tmp_path):
    """As under `mpiexec` or `srun`: no process is started here, the run is the same."""
    arguments = ["train", workshop.data, "--recipe", workshop.recipe, "--device", "cpu", "--threads", 1]
    command = [launch.mpiexec(), "-n", 2, sys.executable, "-m", "mpi4py", "-m", "alexnet", *arguments]
    done = subprocess.run(
        [*map(str, command), "--out", str(tmp_path / "run"), "--steps", str(STEPS)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("2 processes of 1 thread on") == 1
    assert (losses(tmp_path / "run") == losses(runs[2, STEPS])).all()
