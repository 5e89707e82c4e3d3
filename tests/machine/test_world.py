"""Who started this process, and whether MPI agrees: never two trainings of one run."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest

from alexnet.machine import launch, world
from alexnet.runs.log import read as read_log

# One of two processes that another launcher started, as each of them sees it.
FOREIGN = {
    "Open MPI": ("OMPI_COMM_WORLD_SIZE=2", "OMPI_COMM_WORLD_RANK={rank}"),
    "Open MPI 5": ("OMPI_COMM_WORLD_SIZE=2", "OMPI_COMM_WORLD_RANK={rank}", "PMIX_RANK={rank}", "PMIX_NAMESPACE=job"),
    "PMI without its socket": ("PMI_SIZE=2", "PMI_RANK={rank}"),
    "srun --mpi=none": ("SLURM_STEP_NUM_TASKS=2", "SLURM_PROCID={rank}", "SLURM_NTASKS=2"),
}
# In a shell that a cluster opened there is one process, and its variables are still there.
LEFT_OVER = {
    "pmi2": {"PMI_SIZE": "1", "PMI_RANK": "0"},
    "pmix": {"PMIX_RANK": "0", "PMIX_NAMESPACE": "job", "SLURM_JOB_ID": "7"},
    "pty": {"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"},
}


def variables(texts, rank):
    return dict(text.format(rank=rank).split("=") for text in texts)


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    """As if no launcher had ever been here."""
    for name in (*world.SIZES, *world.RANKS, "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("told", "started", "rank"),
    [
        ({}, 1, 0),
        *[(variables(texts, rank), 2, rank) for texts in FOREIGN.values() for rank in (0, 1)],
        *[(told, 1, 0) for told in LEFT_OVER.values()],
        ({"PMIX_RANK": "3"}, 4, 3),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, 1, 0),  # a batch script: nothing is started yet
        ({"PMI_SIZE": "2", "PMI_RANK": "1", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, 2, 1),
        ({"PMI_SIZE": "", "PMI_RANK": "x"}, 1, 0),
    ],
)
def test_what_a_launchers_variables_say(monkeypatch, told, started, rank):
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert (world.started(), world.rank()) == (started, rank)


def test_processes_that_mpi_does_not_join_train_nothing(workshop, tmp_path):
    """Before, each of them trained the whole run into the same files."""

    def start(kind, rank):
        arguments = ["--recipe", workshop.recipe, "--device", "cpu", "--threads", 1, "--steps", 2]
        command = [sys.executable, "-m", "alexnet", "train", workshop.data, *arguments, "--out", tmp_path / kind]
        environment = os.environ | variables(FOREIGN[kind], rank)
        return subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, cwd=tmp_path)

    pairs = [(kind, rank) for kind in FOREIGN for rank in (0, 1)]
    with ThreadPoolExecutor(len(pairs)) as pool:
        for (kind, rank), done in zip(pairs, pool.map(start, *zip(*pairs, strict=True)), strict=True):
            assert done.returncode == 1, (kind, rank, done.stderr)
            assert done.stderr.startswith("alexctl: 2 processes were started, MPI joins 1: use srun --mpi=pmi2"), kind
            assert done.stderr.count("\n") == 1, (kind, done.stderr)
            assert not (tmp_path / kind / "checkpoints").exists(), kind


@pytest.mark.parametrize("kind", LEFT_OVER)
def test_in_a_shell_that_a_cluster_opened_a_command_starts_its_processes(workshop, tmp_path, monkeypatch, kind):
    """Before, it trained alone in silence, or ended in MPI_Init."""
    for name, value in LEFT_OVER[kind].items():
        monkeypatch.setenv(name, value)
    run = tmp_path / "run"
    workshop.train(run, "--procs", 2, "--steps", 2)
    assert read_log(run / "log.jsonl")[0]["processes"] == 2
    workshop.alexctl("predict", run, workshop.folder / "images/class0/000.png", "--device", "cpu")
    workshop.alexctl("eval", run, "--device", "cpu")
    workshop.alexctl("doctor")


def test_in_a_shell_of_eight_tasks_a_command_starts_its_processes(workshop, tmp_path, monkeypatch):
    """`srun -n 8 --pty bash` starts eight shells, and gives the first one the terminal."""
    told = {"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "0", "PMI_SIZE": "8", "PMI_RANK": "0", "SLURM_PTY_PORT": "7"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    master, terminal = os.openpty()
    train = ["train", workshop.data, "--recipe", workshop.recipe, "--device", "cpu", "--procs", 2, "--steps", 1]
    process = workshop.start(*train, "--out", tmp_path / "run", stdin=terminal)
    assert not process.wait(), process.communicate()
    assert read_log(tmp_path / "run" / "log.jsonl")[0]["processes"] == 2
    os.close(master), os.close(terminal)
    monkeypatch.setattr(os, "isatty", lambda number: False)
    assert world.started() == 8, "a program that srun starts in all of them reads from no terminal"


def test_inside_an_allocation_processes_are_started_on_this_machine(workshop, tmp_path, monkeypatch):
    """mpiexec by itself calls srun there, for hosts that this process was never asked to go to."""
    srun = tmp_path / "srun"
    srun.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\nexit 1\n")
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    allocation = {
        "JOB_ID": "7",
        "JOBID": "7",
        "NODELIST": "a,b",
        "NNODES": "2",
        "TASKS_PER_NODE": "1(x2)",
        "NTASKS": "2",
    }
    for name, value in allocation.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    workshop.train(tmp_path / "run", "--procs", 2, "--steps", 1)
    assert not (tmp_path / "called").exists()


def test_a_loop_that_reads_lines_loses_none(workshop, tmp_path):
    train = f"{sys.executable} -m alexnet train {workshop.data} --recipe {workshop.recipe} --device cpu --procs 2"
    loop = f"while read seed; do {train} --steps 1 --seed $seed --out {tmp_path}/$seed || exit 1; done"
    subprocess.run(["bash", "-c", loop], input="3\n5\n8\n", text=True, check=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["3", "5", "8"]


@pytest.mark.parametrize("theirs", ["alexnet.py", "alexnet/__init__.py", "mpi4py.py"])
def test_modules_where_the_user_works_are_not_taken_for_ours(workshop, tmp_path, theirs):
    (tmp_path / theirs).parent.mkdir(exist_ok=True)
    (tmp_path / theirs).write_text("print('my own net of 2012')\nraise SystemExit(0)\n")
    arguments = ["--recipe", workshop.recipe, "--device", "cpu", "--procs", 2, "--steps", 1, "--out", "run"]
    command = [sys.executable, "-P", "-m", "alexnet", "train", workshop.data, *arguments]
    done = subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "run" / "latest").exists(), done.stderr
    assert "my own net" not in done.stdout


@pytest.mark.parametrize("processes", [1, 4])
def test_a_number_of_processes_other_than_the_launchers_is_refused(workshop, tmp_path, processes):
    command = [launch.mpiexec(), "-n", 2, sys.executable, "-m", "mpi4py", "-m", "alexnet", "train", workshop.data]
    options = ["--recipe", workshop.recipe, "--procs", processes, "--steps", 1, "--out", tmp_path / "run"]
    done = subprocess.run(list(map(str, [*command, *options])), capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"alexctl: --procs {processes}: 2 processes were started; leave out --procs\n"


def test_what_a_cluster_left_over_is_not_passed_on(tmp_path, monkeypatch, capfd):
    """MPICH's mpiexec sets its own in their place; another's need not."""
    tells = tmp_path / "mpiexec"
    tells.write_text("#!/bin/sh\nenv >&2\n")
    tells.chmod(0o755)
    monkeypatch.setattr(launch, "mpiexec", lambda: str(tells))
    left_over = "PMI_RANK", "PMIX_NAMESPACE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "UCX_TLS"
    for name in (*left_over, "PMIC"):
        monkeypatch.setenv(name, "7")
    assert launch.run(2, ["train"]) == 0
    passed = capfd.readouterr().err.splitlines()
    assert [line for line in passed if line.endswith("=7")] == ["PMIC=7"]


def test_the_mpiexec_of_another_mpi_beside_a_systems_python_is_not_taken(tmp_path, monkeypatch):
    """As in containers that come with Open MPI, where pip puts its scripts elsewhere."""
    (own,) = (Path(file.locate()) for file in metadata.files("mpich") if file.name == "mpiexec")
    (tmp_path / "mpiexec").touch(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path(launch.mpiexec()).samefile(own)
    monkeypatch.setattr(metadata, "files", lambda name: None)
    assert launch.mpiexec() == str(tmp_path / "mpiexec"), "an MPI of one's own"


def test_an_mpiexec_that_tells_its_processes_nothing_has_them_start_no_more(workshop, tmp_path, monkeypatch, capfd):
    """Each would start as many again, until the machine is full."""
    mute = tmp_path / "mpiexec"
    mute.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    mute.chmod(0o755)
    monkeypatch.setattr(launch, "mpiexec", lambda: str(mute))
    arguments = ["train", workshop.data, "--recipe", workshop.recipe, "--device", "cpu", "--procs", 2]
    assert launch.run(2, [*map(str, arguments), "--out", str(tmp_path / "run")]) == 1
    assert "started this process and did not say so" in capfd.readouterr().err


def test_a_failing_process_is_heard_before_all_end(tmp_path):
    """A launcher drops what it has not read when the processes end: of ten such ends some were silent."""
    program = tmp_path / "program.py"
    program.write_text("from alexnet.machine import world\nworld.join().Barrier()\nworld.end('alexctl: no room')\n")
    for _ in range(10):
        command = [launch.mpiexec(), "-n", "2", sys.executable, "-m", "mpi4py", str(program)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (1, "alexctl: no room\n")


def test_a_command_that_each_process_runs_by_itself_fails_by_itself(workshop, tmp_path, monkeypatch):
    """The second of two tasks of `srun`, where MPI would wait for the first."""
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_PROCID", "1")
    done = workshop.alexctl("predict", tmp_path / "none", "cat.png", "--device", "cpu", code=1)
    assert done.stderr.startswith(f"alexctl: {tmp_path}/none: ") and done.stderr.count("\n") == 1


def test_doctor_names_the_launcher_that_fits(workshop, monkeypatch):
    def launcher():
        return json.loads(workshop.alexctl("doctor", "--json").stdout.splitlines()[-1])["launcher"]

    assert launcher() == "none is needed: alexctl starts its processes itself, with mpiexec"
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert launcher() == "srun --mpi=pmi2, over all nodes; or alexctl by itself, on this one"
    monkeypatch.setenv("PMI_SIZE", "2")
    assert launcher().startswith("2 processes were started, MPI joins 1: use srun --mpi=pmi2")


def test_an_exchange_with_a_process_that_is_gone_is_a_failure():
    program = """
from mpi4py import MPI
from alexnet.errors import Failure
from alexnet.links.mpi import MpiLink
link = MpiLink(1)
link.world = MPI.COMM_NULL
try:
    link.any(True)
except Failure as failure:
    print(failure)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("another process is gone (MPI: "), done.stderr


def test_where_no_mpi_can_be_loaded_a_line_says_so(workshop, tmp_path, monkeypatch):
    monkeypatch.setenv("MPI4PY_LIBMPI", str(tmp_path / "libmpi.so"))
    monkeypatch.setenv("PMI_SIZE", "2")
    done = workshop.train(tmp_path / "run", code=1)
    assert "alexctl: no MPI can be loaded (" in done.stderr and "pip install mpi4py mpich" in done.stderr
