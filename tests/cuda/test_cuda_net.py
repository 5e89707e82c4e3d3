"""Nets on the CUDA engine against the same nets on the CPU engine, and against their own losses' differences."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_bench import BOUND, compile_engine, device
from cuda_net import ROUNDING, Run, images, part

from alexnet.engines.cpu import CpuEngine
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Precision
from alexnet.engines.cuda.recorder import Recorder
from alexnet.launch import mpiexec
from alexnet.links.solo import SoloLink
from alexnet.recipe import load

HERE = Path(__file__).parent
LABELS = np.array([0, 2, 1, 2, 0], np.int32)


def small(engine: object, random: np.random.Generator) -> Run:
    recipe = load(str(HERE / "small.toml"))
    return Run(recipe, engine, SoloLink(2), images(random, len(LABELS), 24) / 50, LABELS)  # type: ignore[arg-type]


def within(precision: Precision, rounding: dict[str, float]) -> float:
    """The precision's bound. Below fp32 rounding turns some ReLUs and maxima the other way, which no bound on one
    operation covers: there, three times what a perturbation of that size does to the CPU engine (DESIGN.md)."""
    return BOUND[precision] if precision == "fp32" else max(BOUND[precision], 3 * max(rounding.values()))


def test_a_step_follows_the_cpu_engine(precision: Precision) -> None:
    cuda = small(CudaEngine(device(precision, 1)), np.random.default_rng(0))
    cpu = small(CpuEngine(1), np.random.default_rng(0))
    losses = cpu.gradients(4)
    assert np.abs(cuda.gradients(4) / losses - 1).max() <= BOUND[precision]
    wanted, found = cpu.gathered(), cuda.gathered()
    assert wanted is not None and found is not None
    worst = part(found, wanted)
    cpu.perturb(ROUNDING[precision])
    cpu.gradients(4)
    rounded = cpu.gathered()
    assert rounded is not None
    allowed = within(precision, part(rounded, wanted))
    assert max(worst.values()) <= allowed, (allowed, worst)


def test_gradients_are_the_losses_slopes() -> None:
    """The slope of the mean loss along each parameter's gradient, by central differences."""
    run = small(CudaEngine(device("fp32", 1)), np.random.default_rng(0))
    run.gradients(4)
    for each in run.net.parameters:
        gradient = run.engine.download(each.gradient).astype(np.float64)
        before = run.engine.download(each.value).copy()
        length = np.linalg.norm(gradient)
        assert length > 0, f"{each.name} got no gradient"
        ends = []
        for side in (1, -1):
            each.value[...] = (before + side * 2e-3 * gradient / length).astype(np.float32)
            ends.append(run.gradients(4).mean())
        each.value[...] = before
        run.gradients(4)
        assert (ends[0] - ends[1]) / 4e-3 == pytest.approx(length, rel=0.02), each.name


def varied(engine: CudaEngine) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    """The weights after steps that change in every way: step, rate, dropout, a layer that rests."""
    run = small(engine, np.random.default_rng(0))
    for step in range(12):
        run.recipe = replace(run.recipe, dropout=0.5 if step < 8 else 0.3)
        run.resting = ("conv1",) if 4 <= step < 8 else ()
        run.step(step, 0.01 / (1 + step))
    return {each.name: run.engine.download(each.value) for each in run.net.parameters}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_recorded_step_is_the_step(precision: Precision) -> None:
    """The same weights, bit for bit, and not those of a recorder that is blind to a change."""
    plain, recorded = (varied(CudaEngine(device(precision, 1), records=records)) for records in (False, True))
    for name, values in plain.items():
        assert np.array_equal(recorded[name], values), name


def test_a_recorder_blind_to_a_change_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, repeat = varied(CudaEngine(device("fp32", 1))), Recorder.repeat

    def without_dropout(self: Recorder, work: Any, numbers: Any, fixed: tuple[Any, ...]) -> None:
        net, images, now, *rest = fixed
        repeat(self, work, numbers, (net, images, replace(now, dropout=0.0), *rest))

    monkeypatch.setattr(Recorder, "repeat", without_dropout)
    found = varied(CudaEngine(device("fp32", 1)))
    assert not all(np.array_equal(found[name], values) for name, values in wanted.items())


@pytest.mark.parametrize(("recipe", "precision"), [("alexnet", "fp32"), ("alexnet-mini", "bf16")])
def test_a_step_in_two_processes(recipe: str, precision: Precision) -> None:
    compile_engine(precision)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]), "OPENBLAS_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "mpi4py", str(HERE / "cuda_net_program.py"), recipe, precision, "2"]
    done = subprocess.run(
        [mpiexec(), "-n", "2", *program], env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    found = report["found"]
    assert len(found) == 17  # the losses, and weights and biases of eight layers
    assert found["losses"] <= BOUND[precision], found
    assert max(found.values()) <= within(precision, report["rounding"]), report


def test_ten_steps_of_the_mini_net() -> None:
    """Two trainings agree: they part by at most three times what 1e-7 of the first weights does (DESIGN.md)."""
    recipe = load("alexnet-mini")
    random = np.random.default_rng(2)
    pixels, labels = images(random, 4, recipe.net.crop), np.array([0, 1, 2, 3], np.int32)

    def losses(engine: object, noise: float) -> np.ndarray:  # type: ignore[type-arg]
        run = Run(recipe, engine, SoloLink(2), pixels, labels)  # type: ignore[arg-type]
        jitter = np.random.default_rng(5)
        for each in run.net.parameters:
            values = np.array(run.engine.download(each.value))
            each.value[...] = (values * (1 + noise * jitter.standard_normal(values.shape))).astype(np.float32)
        return np.array([run.step(step, 0.001) for step in range(10)])

    straight, noisy = losses(CpuEngine(1), 0.0), losses(CpuEngine(1), 1e-7)
    allowed = 3 * np.abs(noisy / straight - 1).max()
    cuda = losses(CudaEngine(device("fp32", 1)), 0.0)
    assert np.abs(cuda / straight - 1).max() <= allowed
