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
from cuda_kinks import Following
from cuda_net import Run, compare, images

from alexnet.engines import Floats, Precision
from alexnet.engines.cpu import CpuEngine
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.recorder import Recorder
from alexnet.links.solo import SoloLink
from alexnet.machine.launch import mpiexec
from alexnet.net.layers import Pass
from alexnet.recipe import load

HERE = Path(__file__).parent
LABELS = np.array([0, 2, 1, 2, 0], np.int32)


def small(engine: object, random: np.random.Generator) -> Run:
    recipe = load(str(HERE / "small.toml"))
    return Run(recipe, engine, SoloLink(2), images(random, len(LABELS), 24) / 50, LABELS)  # type: ignore[arg-type]


@pytest.mark.parametrize("recipe", [str(HERE / "small.toml"), "alexnet-mini"], ids=["small", "mini"])
def test_a_step_follows_the_cpu_engine(recipe: str, precision: Precision) -> None:
    """Losses and every gradient within the precision's bound; seen in bf16: at most 0.8e-2, in conv1."""
    net = load(recipe)
    pixels, labels = images(np.random.default_rng(7), 8, net.net.crop) / 50, np.array([*range(7), 9], np.int32)
    engines, links = (CudaEngine(device(precision, 1, 2)), CpuEngine(2)), (SoloLink(2), SoloLink(2))
    found = compare(net, engines, links, pixels, labels, BOUND[precision])
    assert found is not None
    assert max(found.values()) <= BOUND[precision], found


def test_a_choice_that_is_no_tie_is_caught() -> None:
    engine = CpuEngine(1)
    plain, values = engine.ops, np.array([1.0, -0.5, 1e-7, 2.0], np.float32).reshape(2, 1, 1, 2)
    x, y = engine.maps(2, 1, 1, 2), engine.maps(2, 1, 1, 2)
    engine.pack(values, x)

    def follow(choices: np.ndarray) -> Following:  # type: ignore[type-arg]
        engine.ops = plain
        return Following(engine, 2, [choices], 1e-5)

    follow(values > 1e-3).relu_forward(x, y)
    assert np.array_equal(engine.unpack(y, 2), values * (values > 1e-3))
    with pytest.raises(AssertionError, match="no tie"):
        follow(values < 1e-3).relu_forward(x, y)
    x, y = engine.maps(2, 1, 2, 2), engine.maps(2, 1, 1, 1)
    engine.pack(np.array([[1, 3, 3, 2], [0, 0, 4, 4]], np.float32).reshape(2, 1, 2, 2), x)
    argmax, chosen = engine.bytes_like(y), np.array([2, 3]).reshape(2, 1, 1, 1)
    follow(chosen).max_pool_forward(x, y, argmax, size=2, stride=1)
    assert np.array_equal(engine.unpack(argmax, 2), chosen) and engine.unpack(y, 2).ravel().tolist() == [3, 4]
    with pytest.raises(AssertionError, match="no tie"):
        follow(chosen - 2).max_pool_forward(x, y, argmax, size=2, stride=1)


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


def test_relu_is_part_of_the_layer_below() -> None:
    """No pass of its own after a convolution or a fully connected layer, and none left out elsewhere."""
    calls: list[str] = []

    class Counting:
        def __init__(self, ops: Any) -> None:
            self._ops = ops

        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(self._ops, name)

    engine = CudaEngine(device("fp32", 1))
    engine.ops = Counting(engine.ops)  # type: ignore[assignment]
    pixels = images(np.random.default_rng(7), 2, 24) / 50
    recipe = load(str(HERE / "small.toml"))
    Run(recipe, engine, SoloLink(2), pixels, np.array([0, 1], np.int32)).gradients(0)
    assert calls.count("relu_forward") == 0
    assert calls.count("relu_backward") == 3, "that below norm1 is part of lrn_backward"
    moved = list(recipe.net.layers)
    moved[1:3] = moved[2:0:-1]  # norm1 before relu1
    recipe = replace(recipe, net=replace(recipe.net, layers=tuple(moved)))
    found = compare(
        recipe,
        (CudaEngine(device("fp32", 1)), CpuEngine(1)),
        (SoloLink(2), SoloLink(2)),
        pixels,
        np.array([0, 1], np.int32),
        1e-5,
    )
    assert found is not None and max(found.values()) <= 1e-5


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


def answers(engine: CudaEngine) -> list[Floats]:
    """What a net says of two batches in turn, of which each is recorded, while it learns, and with other dropout."""
    run = small(engine, np.random.default_rng(0))
    other = engine.maps(len(LABELS), *run.images.shape[1:])
    engine.pack(-run.images, other)
    found = []
    for turn in range(8):
        now = Pass(len(LABELS), len(LABELS), dropout=0.5 if turn < 6 else 0.2)
        run.net.outputs_of((run.input, other)[turn % 2], now)
        found.append(engine.unpack(run.net.probs, len(LABELS)))
        run.step(turn, 0.01)
    return found


def test_a_recorded_forward_pass_is_the_pass() -> None:
    plain, recorded = (answers(CudaEngine(device("fp32", 1), records=records)) for records in (False, True))
    assert np.array_equal(plain, recorded)


def test_a_recorder_blind_to_a_change_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, repeat = varied(CudaEngine(device("fp32", 1))), Recorder.repeat

    def without_dropout(self: Recorder, work: Any, numbers: Any, fixed: tuple[Any, ...]) -> None:
        net, images, now, *rest = fixed
        repeat(self, work, numbers, (net, images, replace(now, dropout=0.0), *rest))

    monkeypatch.setattr(Recorder, "repeat", without_dropout)
    found = varied(CudaEngine(device("fp32", 1)))
    assert not all(np.array_equal(found[name], values) for name, values in wanted.items())


@pytest.mark.parametrize(("precision", "batch"), [("fp32", 2), ("tf32", 8), ("bf16", 8)])
def test_a_step_in_two_processes(precision: Precision, batch: int) -> None:
    """The whole net; the maps have room for 8 images anyway.

    Seen: 1.3e-6, 0.7e-3 and 0.92e-2 (conv2.weight).
    """
    compile_engine(precision)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]), "OPENBLAS_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "mpi4py", str(HERE / "cuda_net_program.py"), "alexnet", precision, str(batch)]
    done = subprocess.run(
        [mpiexec(), "-n", "2", *program], env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert len(found) == 17  # the losses, and weights and biases of eight layers
    assert 0 < max(found.values()) <= BOUND[precision], found


def test_ten_steps_of_the_mini_net() -> None:
    """Two trainings agree: they part by at most three times what 1e-7 of the first weights does."""
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
    cuda = losses(CudaEngine(device("fp32", 1, 2)), 0.0)
    assert np.abs(cuda / straight - 1).max() <= allowed
