"""Training in bf16 on the CPU, by the model of AMX: resumed to the bit, and as good as in fp32."""

import numpy as np
import pytest

from alexnet.engines import native
from alexnet.machine.hardware import Wanted
from alexnet.runs.checkpoint import Shelf, read
from alexnet.runs.log import read as read_log
from alexnet.train.start import Options, train


@pytest.fixture
def trained_in(workshop, tmp_path, monkeypatch):
    """Trains in a precision, into a folder of that name or another one."""
    monkeypatch.setenv(native.MODEL, "1")

    def begin(precision, name="", **more):
        changes = () if more.get("resume") else (f"engine.precision={precision}", *more.pop("changes", ()))
        wanted = Wanted(device="cpu", procs=1, threads=1)
        given = {"data": workshop.data, "recipe": None if more.get("resume") else workshop.recipe, "changes": changes}
        return train(Options(out=tmp_path / (name or precision), wanted=wanted, **given, **more))

    return begin


def last(result):
    return read(Shelf(result.run).named("latest"))


def test_a_run_that_is_resumed_is_the_straight_one_bit_for_bit(trained_in):
    """Stopped inside the second epoch; master weights and momenta are float32, of more bits than bf16 has."""
    straight = last(trained_in("bf16", "straight", steps=8))
    trained_in("bf16", "stopped", steps=6)
    stopped = last(trained_in("bf16", "stopped", steps=8, resume=True))
    other = last(trained_in("fp32", steps=8))
    for name, values in straight.weights.items():
        assert np.array_equal(values, stopped.weights[name]), name
        assert np.array_equal(straight.momenta[name], stopped.momenta[name]), name
        assert values.dtype == straight.momenta[name].dtype == np.float32
        assert (values.view(np.uint32) & 0xFFFF).any() and not np.array_equal(values, other.weights[name]), name


def test_it_learns_as_well_as_in_fp32(trained_in):
    """The losses of all steps (seen: 1.1 % apart at most), and the best validation."""
    changes = ("augment.divide=64", "dropout=0.2")  # smoother than a test needs elsewhere
    bf16, fp32 = (trained_in(precision, epochs=8, changes=changes) for precision in ("bf16", "fp32"))
    begun = read_log(bf16.run / "log.jsonl")[0]
    assert (begun["precision"], begun["device"]) == ("bf16", "the CPU in bf16")
    assert begun["isa"] == f"{native.module().ISA}, model" and "," not in read_log(fp32.run / "log.jsonl")[0]["isa"]
    own, other = (
        np.array([row["loss"] for row in read_log(each.run / "log.jsonl") if "loss" in row]) for each in (bf16, fp32)
    )
    assert 0 < np.abs(own / other - 1).max() < 0.05
    assert own[-5:].mean() < 0.7 * own[:5].mean()
    assert bf16.best_error == pytest.approx(fp32.best_error, abs=1 / 9)  # an image of them


def test_two_processes_exchange_what_one_keeps(workshop, tmp_path, monkeypatch):
    """The loss is the same to the bit; a gradient is the sum of both columns', which were rounded before."""
    monkeypatch.setenv(native.MODEL, "1")
    for processes in (1, 2):
        workshop.train(tmp_path / str(processes), "--procs", processes, "--steps", 1, "--precision", "bf16")
    one, two = (tmp_path / each for each in "12")
    losses = [[row["loss"] for row in read_log(each / "log.jsonl") if "loss" in row] for each in (one, two)]
    assert losses[0] == losses[1] and len(losses[0]) == 1
    straight, other = (read(Shelf(each).named("latest")).momenta for each in (one, two))
    for name, values in straight.items():
        size = np.linalg.norm(values)
        assert size > 0 and np.linalg.norm(other[name] - values) <= 0.01 * size, name
