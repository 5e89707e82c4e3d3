"""The batch scripts under a real Slurm, on CPUs: whole jobs, out of time, cancelled, in arrays, over nodes."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from alexnet.runs.checkpoint import Shelf, read
from alexnet.runs.log import read as read_log

ENDLESS = ("--epochs", 10**6, "--set", "train.schedule=epochs")


def options(workshop, *more):
    return ("--recipe", workshop.recipe, "--device", "cpu", "--threads", 1, *more)


def steps(run):
    log = run / "log.jsonl"
    return [row["step"] for row in read_log(log) if "loss" in row] if log.exists() else []


def until(found, what, seconds=300):
    limit = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < limit, what()
        time.sleep(0.1)
    return value


def assert_equal(run, other):
    one, two = read(Shelf(run).named("latest")), read(Shelf(other).named("latest"))
    assert one.state["step"] == two.state["step"]
    for name, weights in one.weights.items():
        assert np.array_equal(weights, two.weights[name]), name
        assert np.array_equal(one.momenta[name], two.momenta[name]), name


def test_a_job_is_the_run_that_alexctl_starts_itself(slurm, workshop, tmp_path):
    job = slurm.submit(then=(workshop.data, tmp_path / "job", *options(workshop, "--steps", 6)))
    assert slurm.wait(job, "COMPLETED", "FAILED") == "COMPLETED", slurm.output(job)
    assert read_log(tmp_path / "job/log.jsonl")[0]["processes"] == 2
    workshop.train(tmp_path / "own", "--procs", 2, "--steps", 6)
    assert_equal(tmp_path / "job", tmp_path / "own")


def test_a_job_that_is_out_of_time_goes_on_and_a_cancelled_one_does_not(slurm, workshop, tmp_path):
    """TERM comes ahead of the limit of a minute: 75, requeued, it goes on; `scancel`: a checkpoint of the last step."""
    run = tmp_path / "run"
    job = slurm.submit("--time=1", "--signal=TERM@40", then=(workshop.data, run, *options(workshop, *ENDLESS)))
    until(lambda: slurm.field(job, "Restarts") == "1", lambda: slurm.output(job))
    slurm.begin(job)
    stopped = steps(run)[-1]
    assert read(Shelf(run).named("latest")).state["step"] == stopped
    until(lambda: steps(run)[-1] > stopped + 5, lambda: slurm.output(job))
    assert [row["step"] for row in read_log(run / "log.jsonl") if row.get("event") == "start"] == [0, stopped]
    slurm.call("scancel", job)
    assert slurm.wait(job, "CANCELLED") == "CANCELLED"
    until(lambda: not slurm.call("squeue", "--noheader"), lambda: slurm.output(job))
    assert read(Shelf(run).named("latest")).state["step"] == steps(run)[-1], slurm.output(job)
    assert slurm.field(job, "Restarts") == "1"
    workshop.train(tmp_path / "straight", "--procs", 2, *ENDLESS[2:], "--steps", steps(run)[-1])
    assert_equal(run, tmp_path / "straight")


def test_an_array_trains_a_run_for_each_seed(slurm, workshop, tmp_path):
    job = slurm.submit("--array=3-4", then=(workshop.data, tmp_path / "run", *options(workshop, "--steps", 4)))
    until(lambda: not slurm.call("squeue", "--noheader"), lambda: slurm.output(job))
    for seed in (3, 4):
        assert read(Shelf(tmp_path / f"run-{seed}").named("latest")).state["seed"] == seed
        workshop.train(tmp_path / f"own-{seed}", "--procs", 2, "--steps", 4, "--seed", seed)
        assert_equal(tmp_path / f"run-{seed}", tmp_path / f"own-{seed}")


@pytest.mark.parametrize("tasks", [1, 2])
def test_two_nodes_train_one_run(slurm, workshop, tmp_path, tasks, monkeypatch):
    """A column on each node; or a pair on each, which share the batch. The nodes exchange as over a network."""
    for name, value in {"MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self"}.items():
        monkeypatch.setitem(slurm.environment, name, value)
    nodes = ("--nodes=2", f"--ntasks-per-node={tasks}")
    job = slurm.submit(*nodes, then=(workshop.data, tmp_path / "run", *options(workshop, "--steps", 6)))
    assert slurm.wait(job, "COMPLETED", "FAILED") == "COMPLETED", slurm.output(job)
    assert slurm.field(job, "NodeList") == "one,two"
    assert read_log(tmp_path / "run/log.jsonl")[0]["processes"] == 2 * tasks
    workshop.train(tmp_path / "own", "--procs", 2 * tasks, "--steps", 6)
    one, two = read(Shelf(tmp_path / "run").named("latest")), read(Shelf(tmp_path / "own").named("latest"))
    for name, weights in one.weights.items():
        np.testing.assert_allclose(weights, two.weights[name], rtol=0, atol=1e-5 * np.abs(weights).max())


def test_a_process_that_is_killed_ends_the_job(slurm, workshop, tmp_path):
    run = tmp_path / "run"
    job = slurm.submit(then=(workshop.data, run, *options(workshop, *ENDLESS)))
    until(lambda: steps(run), lambda: slurm.output(job))
    ranks = [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if is_rank(folder, run)]
    assert len(ranks) == 2
    os.kill(max(ranks), signal.SIGKILL)
    assert slurm.wait(job, "COMPLETED", "FAILED") == "FAILED"
    assert "make room" not in slurm.output(job)
    assert slurm.field(job, "Restarts") == "0"


def test_a_job_that_is_requeued_after_its_processes_were_killed_goes_on(slurm, workshop, tmp_path):
    """Before, MPI found the memory of the processes that were killed, under the name of the same job and step."""
    run = tmp_path / "run"
    job = slurm.submit(then=(workshop.data, run, *options(workshop, *ENDLESS)))
    until(lambda: len(steps(run)) > 8, lambda: slurm.output(job))
    for folder in Path("/proc").glob("[0-9]*"):
        if is_rank(folder, run):
            os.kill(int(folder.name), signal.SIGKILL)
    slurm.wait(job, "FAILED")
    kept = read(Shelf(run).named("latest")).state["step"]
    slurm.call("scontrol", "requeue", job)
    slurm.begin(job)
    starts = lambda: [row["step"] for row in read_log(run / "log.jsonl") if row.get("event") == "start"]  # noqa: E731
    until(lambda: len(starts()) == 2 and steps(run)[-1] > kept, lambda: slurm.output(job))
    assert starts() == [0, kept]
    slurm.call("scancel", job)
    slurm.wait(job, "CANCELLED")


def is_rank(folder, run):
    """Whether a process of /proc is one that srun started for this run."""
    with suppress(OSError):
        parts = (folder / "cmdline").read_bytes().decode().split("\0")
        return "mpi4py" in parts and str(run) in parts and "python" in parts[0]
    return False


@pytest.mark.parametrize("way", ["none", "pmix"])
def test_srun_that_joins_no_processes_is_told_in_a_line(slurm, workshop, tmp_path, way):
    """Before, each task started an mpiexec of its own, which called srun, for ever."""
    arguments = ["train", workshop.data, *options(workshop, "--steps", 2), "--out", tmp_path / "run"]
    command = ["srun", f"--mpi={way}", "--ntasks=2", "--immediate=60", sys.executable, "-m", "alexnet", *arguments]
    done = subprocess.run(list(map(str, command)), env=slurm.environment, capture_output=True, text=True)
    if "can not load PMIx library" in done.stderr:
        pytest.skip("this Slurm has no PMIx; on Debian or Ubuntu: apt-get install libpmix2")
    assert done.returncode == 1, done.stderr
    assert "alexctl: 2 processes were started, MPI joins 1: use srun --mpi=pmi2" in done.stderr
    assert not (tmp_path / "run/checkpoints").exists()


def test_inside_an_allocation_alexctl_starts_its_processes_itself(slurm, workshop, tmp_path):
    script = tmp_path / "script.sh"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m alexnet "$@"\n')
    arguments = ["train", workshop.data, *options(workshop, "--steps", 2), "--procs", 2, "--out", tmp_path / "run"]
    job = slurm.submit("--nodes=2", "--ntasks-per-node=1", script=script, then=arguments)
    assert slurm.wait(job, "COMPLETED", "FAILED") == "COMPLETED", slurm.output(job)
    assert read_log(tmp_path / "run/log.jsonl")[0]["processes"] == 2


def test_doctor_says_which_launcher_fits(slurm):
    def doctor(*options):
        command = ["srun", "--immediate=60", *options, sys.executable, "-m", "alexnet", "doctor", "--json"]
        done = subprocess.run(command, env=slurm.environment, capture_output=True, text=True, check=True)
        return [json.loads(line)["launcher"] for line in done.stdout.splitlines() if line.startswith("{")]

    assert doctor("--ntasks=2", "--mpi=pmi2") == ["2 processes were started, and MPI joins them"]
    assert doctor("--ntasks=1", "--mpi=none") == ["srun --mpi=pmi2, over all nodes; or alexctl by itself, on this one"]
    told = doctor("--ntasks=2", "--mpi=none")
    assert len(told) == 1 and told[0].startswith("2 processes were started, MPI joins 1: use srun --mpi=pmi2")


CLAIM = """
section = "1"
systems = ["S1"]
title = "A net"
statement = "Said in our words."
comparable = "More of it."
[[rows]]
what = "top-1"
measure = "error"
of = ["net"]
[quick]
data = "photographs"
size = 32
[[quick.trainings]]
name = "net"
recipe = "{recipe}"
set = ["train.epochs=60", "train.schedule=epochs"]
[full]
data = "imagenet"
"""
# `alexctl` with two claims in the place of the paper's, which need one and the same run.
PROGRAM = """#!{python}
from alexnet.cli import main
from alexnet.experiments import claims
claims.claims = lambda: tuple(claims.parse(name, {claim!r}) for name in ("first", "second"))
main()
"""


def test_an_array_reproduces_an_item_a_job_and_goes_on_with_what_another_left(slurm, workshop, tmp_path, monkeypatch):
    """The first job is stopped, as ahead of its limit, while it trains what both need: it is requeued, and the second
    takes its run up."""
    program, out = tmp_path / "alexctl", tmp_path / "out"
    program.write_text(PROGRAM.format(python=sys.executable, claim=CLAIM.format(recipe=workshop.recipe)))
    program.chmod(0o755)
    monkeypatch.setitem(slurm.environment, "PATH", f"{tmp_path}:{slurm.environment['PATH']}")
    then = (out, "--photographs", workshop.data, "--device", "cpu", "--threads", 1)

    first = slurm.submit("--array=0", script=slurm.reproduce, then=then)
    (run,) = until(
        lambda: {path.parents[1] for path in out.glob("runs/*/checkpoints/step-*.h5")}, lambda: slurm.output(first)
    )
    second = slurm.submit("--array=1", script=slurm.reproduce, then=then)
    slurm.call("scancel", "--signal=TERM", f"{first}_0")
    assert slurm.wait(f"{second}_1", "COMPLETED", "FAILED") == "COMPLETED", slurm.output(second)
    assert slurm.field(f"{first}_0", "Restarts") == "1", slurm.output(first)
    slurm.begin(f"{first}_0")
    assert slurm.wait(f"{first}_0", "COMPLETED", "FAILED") == "COMPLETED", slurm.output(first)

    starts = [row["step"] for row in read_log(run / "log.jsonl") if row.get("event") == "start"]
    assert len(starts) == 2 and starts[0] == 0 < starts[1]
    told = json.loads((out / "report.json").read_text())["claims"]
    assert [claim["name"] for claim in told] == ["first", "second"]
    assert told[0]["rows"][0]["ours"] == told[1]["rows"][0]["ours"] is not None
