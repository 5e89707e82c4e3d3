"""Starting a command in several processes on this machine, with `mpiexec`."""

import codecs
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from alexnet.console import TERMINAL, terminal
from alexnet.errors import STOPPED, Failure
from alexnet.machine.signals import UNKNOWN_TO_MPIEXEC, heard

# Left over in a shell that a cluster opened: the processes started here would take these for theirs. And what a site
# chooses for its network, which may leave processes on one machine no way to each other.
LEFT_OVER = (
    *("PMI_", "PMIX_", "OMPI_COMM_WORLD_", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    *("UCX_TLS", "UCX_NET_DEVICES"),
)
# MPICH's mpiexec starts the processes here and itself, also where it finds a cluster's variables or hosts.
HERE = {"HYDRA_LAUNCHER": "fork", "HYDRA_RMK": "user"}
UP = "ALEXCTL_UP"
ENDS = (0, 1, 2, STOPPED)
POLL_SECONDS = 0.05
# What MPICH 5.0 was seen to need there; with less, a process dies of a bus error.
SHARED_MEMORY = Path("/dev/shm")
SHARED_MB, SHARED_MB_PER_PROCESS = 16, 6
_PR_SET_PDEATHSIG = 1


def run(processes: int, arguments: list[str]) -> int:
    """Run `alexctl` with `arguments` in so many processes and return their exit code.

    A signal to stop is passed on; where this process is killed, the others end too.
    Raises Failure where there is no mpiexec, or no shared memory, or where this process is one of those: an mpiexec
    that does not tell them of one another would have each start as many again, and so on.
    """
    if UP in os.environ:
        raise Failure(f"{mpiexec()} started this process and did not say so: use MPICH's (pip install mpich), or srun")
    _check_shared_memory(processes)
    # -P: what lies where the user works, such as an alexnet.py, is none of our modules.
    command = [mpiexec(), "-n", str(processes), sys.executable, "-P", "-m", "mpi4py", "-m", "alexnet", *arguments]
    child: subprocess.Popen[bytes] | None = None
    came: list[int] = []

    def pass_on(number: int) -> None:
        came.append(number)
        if child:
            # mpiexec loses a signal that comes before it has started all, and a process ends if it does not hear it
            while child.poll() is None and len(list(Path(folder).iterdir())) < processes:
                time.sleep(POLL_SECONDS)
            child.send_signal(signal.SIGTERM)

    with TemporaryDirectory(prefix="alexctl-") as folder, heard(pass_on):
        child = subprocess.Popen(
            command,
            env=_environment() | {UP: folder},
            stdin=subprocess.DEVNULL,  # it belongs to whoever started us
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process to pass on
            preexec_fn=_as_mpiexec_starts,
        )
        if came:
            pass_on(came.pop())
        assert child.stderr
        with child.stderr:
            _print_all(child.stderr)
        code = child.wait()
    return code if code in ENDS else (128 + came[0] if came else 1)


def _as_mpiexec_starts() -> None:
    """In its process: it ends with this one, and not by what is this one's to pass on."""
    die_with_parent()
    for number in UNKNOWN_TO_MPIEXEC:
        signal.signal(number, signal.SIG_IGN)


def up() -> None:
    """Tell `run` that a process which it started hears signals."""
    if folder := os.environ.get(UP):
        (Path(folder) / str(os.getpid())).touch()
        os.environ[UP] = ""  # said, and not to be said by others that this process starts


def mpiexec() -> str:
    """The path of mpiexec; raises Failure where there is none.

    Beside a system's Python, and first on its PATH, lies another MPI's: that of pip's package is asked for before.
    """
    places = (*_of_the_package(), Path(sys.executable).with_name("mpiexec"))
    found = next((str(place) for place in places if place.exists()), shutil.which("mpiexec"))
    if found is None:
        raise Failure("mpiexec is not found; install it with `pip install mpich`, or use `--procs 1`")
    return found


def _of_the_package() -> Iterator[Path]:
    """Where pip put the mpiexec that belongs to the MPI in use: beside its own scripts, wherever those lie."""
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.files("mpich") or ():
            if file.name == "mpiexec":
                yield Path(os.path.normpath(str(file.locate())))


def _check_shared_memory(processes: int) -> None:
    if not SHARED_MEMORY.exists():
        return
    there, needed = os.statvfs(SHARED_MEMORY), SHARED_MB + SHARED_MB_PER_PROCESS * processes
    free = 0 if there.f_flag & os.ST_RDONLY else there.f_bavail * there.f_frsize >> 20
    if free < needed:
        raise Failure(
            f"{SHARED_MEMORY}: {free} MB can be written, {processes} processes need {needed} to exchange through; "
            "enlarge it (docker run --shm-size=256m, mount -o remount,size=256m), or use --procs 1"
        )


def _print_all(source: IO[bytes]) -> None:
    """Print what the processes print. mpiexec itself ends them all when the terminal is gone that it prints to."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    while data := os.read(source.fileno(), 1 << 16):
        with suppress(OSError):
            sys.stderr.write(decode(data))
            sys.stderr.flush()


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OVER)}
    width = terminal()
    return own | HERE | ({TERMINAL: str(width)} if width else {})


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """In a process that was just started: let it be sent this signal when the one that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
