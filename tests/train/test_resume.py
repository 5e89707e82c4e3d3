"""A run that is stopped, killed or broken goes on as if nothing had been."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from alexnet.runs.checkpoint import Shelf, read
from alexnet.runs.log import read as read_log

UNTIMED = ("images_per_s", "time", "command")


def rows(run):
    """The log of steps and validations, without what a clock had to do with."""
    kept = [row for row in read_log(run / "log.jsonl") if "event" not in row]
    return [{key: value for key, value in row.items() if key not in UNTIMED} for row in kept]


def assert_equal(run, other):
    """The last checkpoints agree bit for bit, and so do the logs."""
    one, two = read(Shelf(run).named("latest")), read(Shelf(other).named("latest"))
    assert one.state["step"] == two.state["step"] and one.state["schedule"] == two.state["schedule"]
    for name in one.weights:
        assert np.array_equal(one.weights[name], two.weights[name]), name
        assert np.array_equal(one.momenta[name], two.momenta[name]), name
    assert rows(run) == rows(other)


def wait_for_step(run, step, process, seconds=60):
    """Until the log shows that step."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and process.poll() is None:
        if (run / "log.jsonl").exists() and any(row.get("step", 0) >= step for row in read_log(run / "log.jsonl")):
            return
        time.sleep(0.01)
    raise AssertionError(f"no step {step}: {process.communicate()}")


def begin(workshop, run, *more):
    return workshop.start(
        "train", workshop.data, "--recipe", workshop.recipe, "--device", "cpu", "--threads", 1, "--out", run, *more
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_stopped_mid_epoch(workshop, tmp_path, processes):
    """81 training images, batches of 20: step 6 lies inside the second epoch."""
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    workshop.train(straight, "--procs", processes, "--steps", 11)
    workshop.train(stopped, "--procs", processes, "--steps", 6)
    workshop.train(stopped, "--procs", processes, "--steps", 11, "--resume")
    assert_equal(straight, stopped)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("processes", [1, 2])
def test_signal_writes_a_checkpoint(workshop, tmp_path, number, processes):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    workshop.train(straight, "--procs", processes, "--epochs", 40)
    process = begin(workshop, stopped, "--procs", processes, "--epochs", 40)
    wait_for_step(stopped, 5, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 75, (out, err)
    assert "Traceback" not in err
    assert 5 <= read(Shelf(stopped).named("latest")).state["step"] < 162
    workshop.train(stopped, "--procs", processes, "--epochs", 40, "--resume")
    assert_equal(straight, stopped)


def test_killed_at_any_instant(workshop, tmp_path):
    """SIGKILL of the whole command at eight moments of one training; each time it goes on from a whole checkpoint."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    workshop.train(straight, "--procs", 2, "--epochs", 40)
    generator = np.random.default_rng(11)
    for _ in range(8):
        process = begin(workshop, killed, "--procs", 2, "--epochs", 40, "--resume")
        time.sleep(float(generator.uniform(0.5, 3.0)))
        process.kill()
        process.communicate(timeout=30)
        time.sleep(0.5)
        assert not others(killed), "processes were left behind"
    workshop.train(killed, "--procs", 2, "--epochs", 40, "--resume")
    assert_equal(straight, killed)
    assert not [path for path in (killed / "checkpoints").iterdir() if ".part" in path.name]


def others(run, *words):
    """Processes whose command line names this run and has these words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parts = (folder / "cmdline").read_bytes().decode().split("\0")
            if str(run) in parts and all(word in parts for word in words):
                found.append(int(folder.name))
    return found


def test_a_dead_process_ends_the_others(workshop, tmp_path):
    process = begin(workshop, tmp_path / "run", "--procs", 2, "--epochs", 4000)
    wait_for_step(tmp_path / "run", 3, process)
    ranks = others(tmp_path / "run", "mpi4py")
    os.kill(max(ranks), signal.SIGKILL)
    start = time.monotonic()
    process.communicate(timeout=10)
    assert time.monotonic() - start < 10
    assert process.returncode == 1
    assert not others(tmp_path / "run")


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(workshop, tmp_path):
    run = tmp_path / "run"
    goes_on = "--set", "train.schedule=epochs"  # a plateau ends the run, before the change comes where it is slow
    workshop.train(run, "--procs", 2, "--steps", 4, *goes_on)
    process = begin(workshop, run, "--procs", 2, "--epochs", 10**6, "--resume", *goes_on)
    wait_for_step(run, 5, process)
    workshop.alexctl("control", run, "--set", "train.rate=1e30")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, (out, err)
    assert err.count("not finite") == 1 and "Traceback" not in err, err
    for values in read(Shelf(run).named("latest")).weights.values():
        assert np.isfinite(values).all()
