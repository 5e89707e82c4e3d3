"""The whole training against the reference: every number of every recipe is another than its default.

In float64 the reference has no rounding to speak of; what is between the two is float32's, grown by the training: at
most 2e-6 of an array's largest value was measured after twenty steps, and no mistake is as small as 1e-5.
"""

import numpy as np
import pytest
from command import alexctl
from reference.pairs import RECIPES, SEED, STEPS

from alexnet.runs.checkpoint import Shelf, read
from alexnet.runs.log import Log
from alexnet.runs.log import read as read_log

BOUND = 1e-5
TIMED = ("images_per_s", "time")


def rows(run):
    """The log's rows of steps and validations."""
    return [row for row in read_log(run / "log.jsonl") if "event" not in row]


def assert_alike(run, reference):
    """Rows, weights, momenta and the best validation."""
    found, wanted = rows(run), reference.rows
    assert [row["step"] for row in found] == [row["step"] for row in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert {key: one[key] for key in one if key not in TIMED} == pytest.approx(other, rel=BOUND)
    last, best = read(Shelf(run).named("latest")), read(Shelf(run).named("best"))
    assert last.state["step"] == reference.step and best.state["step"] == reference.best_step
    assert last.weights.keys() == last.momenta.keys() == reference.net.values.keys()
    for name, values in reference.net.values.items():
        momenta = reference.momenta[name]
        assert np.abs(last.weights[name] - values).max() <= BOUND * np.abs(values).max(), name
        assert np.abs(last.momenta[name] - momenta).max() <= BOUND * np.abs(momenta).max(), name


@pytest.mark.parametrize("name", RECIPES)
def test_twenty_steps_are_the_reference(pairs, name):
    assert_alike(pairs.trained(name).run, pairs.trained(name).reference)


@pytest.mark.parametrize("name, processes", [("paper", 2), ("paper", 4), ("authors", 2), ("cifar", 2)])
def test_a_column_a_process_and_replicas_are_the_reference(workshop, pairs, tmp_path, name, processes):
    options = ("--device", "cpu", "--procs", processes, "--threads", 1, "--seed", SEED, "--steps", STEPS)
    workshop.alexctl("train", pairs.data, "--recipe", pairs.recipe(name), "--out", tmp_path / "run", *options)
    assert_alike(tmp_path / "run", pairs.trained(name).reference)


BY_HAND = {  # before the step of so many; of patterns that overlap the later holds
    2: {"net.conv*.decay_times": 7.0},
    5: {"net.conv1.decay_times": 2.0},
    6: {"train.rate": 0.05, "dropout": 0.45, "net.conv*.decay_times": 9.0},
}


@pytest.mark.parametrize("name", ["paper", "authors", "cifar"])
def test_stopped_and_resumed_with_changes_by_hand_it_is_the_reference(pairs, tmp_path, monkeypatch, name):
    """The seed, events, drops, the best so far and what was changed by hand are all part of a checkpoint."""
    untouched = pairs.trained(name).reference.rows  # first: what is patched below reaches every run
    write = Log.write

    def written(log, row):
        write(log, row)
        if row.get("step") in BY_HAND and "loss" in row:
            settings = BY_HAND[row["step"]].items()
            alexctl("control", tmp_path, *(word for key, value in settings for word in ("--set", f"{key}={value}")))

    monkeypatch.setattr(Log, "write", written)
    pairs.train(tmp_path, name, "--seed", SEED, "--steps", 9)
    for steps in (16, STEPS):
        alexctl("train", pairs.data, "--device", "cpu", "--procs", 1, "--out", tmp_path, "--resume", "--steps", steps)
    reference = pairs.training(name, by_hand=BY_HAND)
    reference.run(STEPS)
    assert_alike(tmp_path, reference)
    assert reference.rows != untouched


def test_another_seed_is_another_training(pairs, tmp_path):
    pairs.train(tmp_path, "paper", "--seed", SEED + 1, "--steps", 5)
    reference = pairs.training("paper", seed=SEED + 1)
    reference.run(5)
    assert_alike(tmp_path, reference)


def test_the_recipes_reach_what_they_are_for(pairs):
    """A plateau's drop while training goes on, a plateau's end, drops by epochs; the best before the last; top-5."""
    paper, authors, still, cifar = (pairs.trained(name).reference for name in RECIPES)
    assert [row["drops"] for row in paper.rows if "drops" in row] == [0, 0, 1, 1, 2]
    assert still.finished and still.step < STEPS and still.drops == 2
    assert authors.rows[-1]["drops"] == 2
    assert [row["epoch"] for row in cifar.rows if "drops" in row] == [
        pytest.approx(50 / 48),
        2,
    ]  # then nothing is held out
    assert len(cifar.labels) == 72 and cifar.best_step == 18 and cifar.drops == 1
    assert all(each.best_step < each.step for each in (paper, authors, still))
    assert all(0 < row["val_top5_error"] < row["val_top1_error"] < 1 for row in paper.rows if "drops" in row)
