"""Starting a command in several processes: `mpiexec` is started here, unless it or a cluster already did."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from alexnet.console import TERMINAL, say, terminal
from alexnet.errors import STOPPED, Failure

# Set by MPICH's and Open MPI's mpiexec, and by srun (PMI or PMIx).
RANK_VARIABLES = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
_PR_SET_PDEATHSIG = 1
# Several processes often fail alike: the others leave the first so long to speak for all, and are ended meanwhile.
FIRST_SPEAKS_SECONDS = 5.0


def inside() -> bool:
    """Whether this process is one of several that a launcher started."""
    return any(name in os.environ for name in RANK_VARIABLES)


def run(processes: int, arguments: list[str]) -> int:
    """Run `alexctl` with `arguments` in so many processes and return their exit code.

    SIGTERM and SIGINT are passed on; where this process is killed, the others end too.
    Raises Failure where there is no mpiexec.
    """
    command = [mpiexec(), "-n", str(processes), sys.executable, "-m", "mpi4py", "-m", "alexnet", *arguments]
    width = terminal()
    environment = os.environ | ({TERMINAL: str(width)} if width else {})
    child = subprocess.Popen(command, env=environment, start_new_session=True, preexec_fn=_die_with_parent)

    def forward(number: int, frame: FrameType | None) -> None:
        del number, frame
        child.send_signal(signal.SIGTERM)

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code in (0, 1, 2, STOPPED) else 1


def fail(line: str) -> NoReturn:
    """Print one line and end with 1; of several processes, all end and the first one speaks if it can."""
    if not inside():
        say(f"alexctl: {line}")
        sys.exit(1)
    from mpi4py import MPI

    if MPI.COMM_WORLD.Get_rank():
        time.sleep(FIRST_SPEAKS_SECONDS)
    say(f"alexctl: {line}")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # MPI would add lines of its own
    MPI.COMM_WORLD.Abort(1)
    raise SystemExit(1)


def mpiexec() -> str:
    """The path of mpiexec; raises Failure where there is none."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise Failure("mpiexec is not found; install it with `pip install mpich`, or use `--procs 1`")
    return found


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
