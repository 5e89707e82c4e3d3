"""A signal to stop, whoever gets it: a checkpoint of the very last step and 75, or a line and the signal's code."""

import fcntl
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import pytest

from alexnet.machine import launch
from alexnet.machine.signals import STOPPING, stop_request
from alexnet.runs.checkpoint import Shelf, read
from alexnet.runs.log import read as read_log

EVERY = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP]
MPI_NOISE = ("Abort(", "[mpiexec", "[proxy", "Traceback", "BAD TERMINATION")
ENDLESS = ["--device", "cpu", "--threads", 1, "--epochs", 10**6, "--set", "train.schedule=epochs"]


def command(workshop, run, *more):
    return ["train", workshop.data, "--recipe", workshop.recipe, *ENDLESS, "--out", run, *more]


@pytest.fixture
def mind():
    """Takes a process that was begun, and sees that the test leaves it not behind."""
    begun = []

    def take(process):
        begun.append(process)
        return process

    yield take
    for process in begun:
        process.kill()
        process.communicate()


def until(found, process, seconds=120):
    """Wait for something true, as long as the process lives."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and process.poll() is None:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited in vain: {process.communicate()}")


def steps(run):
    return [row["step"] for row in read_log(run / "log.jsonl") if "loss" in row]


def trains(run):
    """Whether the log shows a few steps."""
    return lambda: (run / "log.jsonl").exists() and len(steps(run)) > 3


def ranks(run):
    """The processes that mpiexec started for this run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parts = (folder / "cmdline").read_bytes().decode().split("\0")
            if str(run) in parts and "mpi4py" in parts and "python" in parts[0]:
                found.append(int(folder.name))
    return sorted(found)


def assert_stopped(run, process):
    """It ended with 75, the last checkpoint is of the log's last step, and no line is MPI's."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert not any(noise in err for noise in MPI_NOISE), err
    assert err.count("stopped") == 1, err
    assert read(Shelf(run).named("latest")).state["step"] == steps(run)[-1]
    assert not ranks(run)
    return out


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", EVERY)
def test_the_command_is_told(mind, workshop, tmp_path, number, processes):
    process = mind(workshop.start(*command(workshop, tmp_path / "run", "--procs", processes)))
    until(trains(tmp_path / "run"), process)
    process.send_signal(number)
    assert_stopped(tmp_path / "run", process)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("number", EVERY)
def test_one_of_the_processes_is_told(mind, workshop, tmp_path, number, which):
    process = mind(workshop.start(*command(workshop, tmp_path / "run", "--procs", 2)))
    until(trains(tmp_path / "run"), process)
    os.kill(ranks(tmp_path / "run")[which], number)
    assert_stopped(tmp_path / "run", process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_launcher_outside_is_told(mind, workshop, tmp_path, number):
    arguments = map(str, command(workshop, tmp_path / "run"))
    mpiexec = [launch.mpiexec(), "-n", "2", sys.executable, "-m", "mpi4py", "-m", "alexnet", *arguments]
    process = mind(subprocess.Popen(mpiexec, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    until(trains(tmp_path / "run"), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75 and "Abort(" not in err, err
    assert read(Shelf(tmp_path / "run").named("latest")).state["step"] == steps(tmp_path / "run")[-1]


@pytest.mark.parametrize("processes", [1, 2])
def test_all_processes_are_told_at_once(mind, workshop, tmp_path, processes):
    """As a cluster does to everything in a job."""
    process = mind(workshop.start(*command(workshop, tmp_path / "run", "--procs", processes)))
    until(trains(tmp_path / "run"), process)
    for each in (*ranks(tmp_path / "run"), process.pid):
        os.kill(each, signal.SIGTERM)
    assert_stopped(tmp_path / "run", process)


def test_what_mpiexec_does_not_know_ends_a_run_whole(mind, workshop, tmp_path):
    """As LSF and Grid Engine send USR2 to everything in a job."""
    process = mind(workshop.start(*command(workshop, tmp_path / "run", "--procs", 2)))
    until(trains(tmp_path / "run"), process)
    mpiexec = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for each in (*ranks(tmp_path / "run"), *map(int, mpiexec), process.pid):
        os.kill(each, signal.SIGUSR2)
    assert_stopped(tmp_path / "run", process)


@pytest.mark.parametrize("number", STOPPING)
def test_each_signal_that_asks_to_stop_is_heard(number):
    with stop_request() as stop:
        os.kill(os.getpid(), number)
    assert stop.raised


@pytest.mark.parametrize("processes", [1, 2])
def test_under_nohup_a_hang_up_changes_nothing(mind, workshop, tmp_path, processes):
    run = tmp_path / "run"
    ignoring = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    process = mind(workshop.start(*command(workshop, run, "--procs", processes), preexec_fn=ignoring))
    until(trains(run), process)
    for each in (*ranks(run), process.pid):
        os.kill(each, signal.SIGHUP)
    seen = len(steps(run))
    until(lambda: len(steps(run)) > seen + 5, process)
    process.send_signal(signal.SIGTERM)
    assert_stopped(run, process)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_terminal_that_is_closed_ends_the_run_whole(mind, workshop, tmp_path, processes):
    """Before, mpiexec could not print there any more, and killed everybody."""
    run = tmp_path / "run"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "alexnet", *map(str, command(workshop, run, "--procs", processes))],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lambda: os.login_tty(theirs),
    )
    mind(process)
    os.close(theirs)
    os.set_blocking(ours, False)

    def read_and_look():
        with suppress(BlockingIOError):
            os.read(ours, 1 << 16)
        return trains(run)()

    until(read_and_look, process)
    os.close(ours)
    assert process.wait(timeout=120) == 75
    assert read(Shelf(run).named("latest")).state["step"] == steps(run)[-1]
    assert not ranks(run)


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.05, 0.2, 0.4])
def test_a_signal_that_comes_before_the_first_step_is_not_lost(mind, workshop, tmp_path, delay):
    """mpiexec drops what comes before it has started the processes."""
    process = mind(workshop.start(*command(workshop, tmp_path / "run", "--procs", 2)))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until(children.read_text, process)
    time.sleep(delay)  # any instant will do
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert err.count("stopped") == 1 and not any(noise in err for noise in MPI_NOISE), err
    assert not ranks(tmp_path / "run")


def test_a_second_ctrl_c_ends_at_once(mind, workshop, tmp_path):
    """The processes are held, so that they cannot stop in an orderly way."""
    process = mind(workshop.start(*command(workshop, tmp_path / "run", "--procs", 2)))
    until(trains(tmp_path / "run"), process)
    held = ranks(tmp_path / "run")
    for each in held:
        os.kill(each, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    until(lambda: not caught(process.pid, signal.SIGINT), process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    limit = time.monotonic() + 60
    while ranks(tmp_path / "run"):
        assert time.monotonic() < limit, "processes were left behind"


def caught(process, number):
    """Whether a process catches a signal: after the first it no longer catches Ctrl-C."""
    status = Path(f"/proc/{process}/status").read_text()
    mask = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(mask >> (number - 1) & 1)


def test_a_second_ctrl_c_ends_one_process_at_once():
    program = """
import signal
from alexnet.machine.signals import stop_request
with stop_request() as stop:
    signal.raise_signal(signal.SIGINT)
    assert stop.raised
    signal.raise_signal(signal.SIGTERM)
    print("still here", flush=True)
    signal.raise_signal(signal.SIGINT)
    print("never here")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "still here\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("tasks", ["1", "2"])
def test_a_command_that_keeps_nothing_says_so(mind, workshop, tmp_path, number, code, tasks, monkeypatch):
    """`predict` waits for an image that nobody sends; as one of two tasks it shares nothing with the other."""
    workshop.train(tmp_path / "run", "--procs", 1, "--steps", 1)
    os.mkfifo(tmp_path / "cat.png")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", tasks)
    monkeypatch.setenv("SLURM_PROCID", str(int(tasks) - 1))
    process = mind(workshop.start("predict", tmp_path / "run", tmp_path / "cat.png", "--device", "cpu"))

    def opened():
        with suppress(OSError):
            return os.open(tmp_path / "cat.png", os.O_WRONLY | os.O_NONBLOCK)

    image = until(opened, process)
    os.write(image, b"x")
    until(lambda: not fcntl.ioctl(image, termios.FIONREAD, b"\0" * 4).strip(b"\0"), process)
    time.sleep(0.2)  # it waits for more: what comes between two reads is heard only when the second one ends
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    os.close(image)
    assert (process.returncode, out) == (code, "")
    assert err == "alexctl: stopped; it keeps nothing half done, run it again from the start\n"


def test_ctrl_c_ends_a_benchmark_of_two_processes_with_130(mind, workshop, tmp_path):
    recipe = shutil.copy(workshop.recipe, tmp_path)  # its name is found again in its own processes' command lines alone
    process = mind(workshop.start("bench", "--recipe", recipe, "--device", "cpu", "--repeat", 10**6))
    until(lambda: ranks(recipe), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "alexctl: stopped; it keeps nothing half done, run it again from the start\n"
