"""TensorBoard's files say what the log says."""

import sys

import pytest
from command import alexctl
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from alexnet.runs.log import read


def test_every_number_of_the_log_is_there_by_its_step(workshop, tmp_path):
    run = tmp_path / "run"
    asked = ("train", workshop.data, "--recipe", workshop.recipe, "--device", "cpu", "--procs", 1, "--threads", 1)
    alexctl(*asked, "--out", run, "--tensorboard", "--epochs", 1)
    alexctl("train", "--out", run, "--resume", "--tensorboard", "--epochs", 1, "--device", "cpu", "--procs", 1)
    found = EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    rows = read(run / "log.jsonl")
    for key in ("loss", "rate", "top1_error", "val_loss", "val_top1_error", "val_top5_error"):
        expected = [(row["step"], row[key]) for row in rows if key in row]
        got = [(each.step, each.value) for each in found.Scalars(key)]
        assert [step for step, _ in got] == [step for step, _ in expected] and got, key
        assert [value for _, value in got] == pytest.approx([value for _, value in expected], rel=1e-6), key


def test_without_the_package_one_line_says_so(workshop, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto", None)
    done = alexctl("train", workshop.data, "--tensorboard", "--out", tmp_path / "run", code=1)
    assert "pip install tensorboard" in done.stderr and not (tmp_path / "run").exists()
