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


def last_step(run):
    """The last one in the log, 0 where there is none."""
    log = run / "log.jsonl"
    return max((row["step"] for row in read_log(log) if "loss" in row), default=0) if log.exists() else 0


def wait_for_step(run, step, process):
    """Until the log shows that step, as long as the process lives."""
    limit = time.monotonic() + 300
    while last_step(run) < step:
        assert process.poll() is None and time.monotonic() < limit, process.communicate()
        time.sleep(0.01)


ENDLESS = ("--set", "train.epochs=1000000", "--set", "train.schedule=epochs")  # a plateau would end it


def begin(workshop, run, *more):
    given = (workshop.data, "--recipe", workshop.recipe, "--device", "cpu", "--threads", 1, "--out", run, *ENDLESS)
    return workshop.start("train", *given, *more)


@pytest.mark.parametrize("processes", [1, 2])
def test_stopped_mid_epoch(workshop, tmp_path, processes):
    """81 training images, batches of 20: step 6 lies inside the second epoch."""
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    workshop.train(straight, "--procs", processes, "--steps", 11)
    workshop.train(stopped, "--procs", processes, "--steps", 6)
    workshop.train(stopped, "--procs", processes, "--steps", 11, "--resume")
    assert_equal(straight, stopped)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_stops_it_and_it_goes_on_as_if_nothing_had_been(workshop, tmp_path, processes):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    process = begin(workshop, stopped, "--procs", processes)
    wait_for_step(stopped, 5, process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 75, (out, err)
    assert "Traceback" not in err
    last = read(Shelf(stopped).named("latest")).state["step"] + 7
    for run, more in ((stopped, ("--resume",)), (straight, ())):
        workshop.train(run, "--procs", processes, "--steps", last, *ENDLESS, *more)
    assert_equal(straight, stopped)


def kept(run):
    """The step of the last checkpoint, 0 where there is none."""
    latest = Shelf(run).named("latest")
    return read(latest).state["step"] if latest else 0


def test_killed_at_any_instant(workshop, tmp_path):
    """SIGKILL of the whole command, by turns a moment after it began and some steps after its last checkpoint."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    generator = np.random.default_rng(11)
    for turn in range(8):
        process = begin(workshop, killed, "--procs", 2, "--resume")
        if turn % 2:
            time.sleep(float(generator.uniform(0.1, 2.0)))
        else:
            wait_for_step(killed, kept(killed) + int(generator.integers(5, 9)), process)  # one is kept every 4 steps
            time.sleep(float(generator.uniform(0, 0.1)))
        process.kill()
        process.communicate(timeout=120)
        none_is_left(killed)
    assert kept(killed) >= 4 * 4
    last = kept(killed) + 5
    for run, more in ((killed, ("--resume",)), (straight, ())):
        workshop.train(run, "--procs", 2, "--steps", last, *ENDLESS, *more)
    assert_equal(straight, killed)
    assert not [path for path in (killed / "checkpoints").iterdir() if ".part" in path.name]


def none_is_left(run):
    """Wait until no process of this run lives."""
    limit = time.monotonic() + 120
    while others(run):
        assert time.monotonic() < limit, "processes were left behind"
        time.sleep(0.01)


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
    process = begin(workshop, tmp_path / "run", "--procs", 2)
    wait_for_step(tmp_path / "run", 3, process)
    ranks = others(tmp_path / "run", "mpi4py")
    os.kill(max(ranks), signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode == 1
    none_is_left(tmp_path / "run")


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(workshop, tmp_path):
    run = tmp_path / "run"
    workshop.train(run, "--procs", 2, "--steps", 4, *ENDLESS)
    process = begin(workshop, run, "--procs", 2, "--resume")
    wait_for_step(run, 5, process)
    workshop.alexctl("control", run, "--set", "train.rate=1e30")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, (out, err)
    assert err.count("not finite") == 1 and "Traceback" not in err, err
    for values in read(Shelf(run).named("latest")).weights.values():
        assert np.isfinite(values).all()
