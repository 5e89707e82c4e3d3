"""The processes of one command: who started them, whether MPI joins just these, and how they end together."""

import array
import fcntl
import os
import sys
import termios
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from alexnet.console import say
from alexnet.errors import Failure, reason

if TYPE_CHECKING:
    from mpi4py import MPI

Value = TypeVar("Value")

# How many processes a launcher started, and which of them this is: from MPICH's mpiexec and `srun --mpi=pmi2`, from
# Open MPI's mpiexec, from any srun. PMIx tells the rank alone.
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")
SHELL = "SLURM_PTY_PORT"  # of srun --pty
# Several processes often fail alike: the others leave the first so long to speak for all, and are ended meanwhile.
FIRST_SPEAKS_SECONDS = 10.0
HEARD_SECONDS = 10.0


def started() -> int:
    """How many processes a launcher says it started, this one among them; 1 where there was none.

    A shell that a cluster opened tells of one process, of PMIx's rank 0, or by `srun -n 8 --pty` of eight, of which
    one alone has the terminal: a command there starts its own.
    """
    if SHELL in os.environ and os.isatty(0):
        return 1
    return max(1 + rank(), *map(_told, SIZES))


def rank() -> int:
    """Which of the processes that a launcher started this is."""
    in_step = _told("SLURM_PROCID") if _told("SLURM_STEP_NUM_TASKS") > 1 else 0
    return max(in_step, *map(_told, RANKS))


def join() -> "MPI.Intracomm":
    """The processes that a launcher started, as MPI joins them.

    Raises Failure where MPI joins others: each would then train the whole run, into the same files.
    """
    mpi, processes = _mpi(), started()
    if not mpi.Is_initialized():
        if fitting() != "pmix":
            _hide_pmix()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of another MPI's launcher; it is said below
            mpi.Init_thread()
    world: MPI.Intracomm = mpi.COMM_WORLD
    if world.size != processes:
        raise Failure(
            f"{processes} processes were started, MPI joins {world.size}: use srun --mpi={fitting()}, or the mpiexec "
            f"that belongs to {library()} (alexctl doctor names it)"
        )
    return world


def library() -> str:
    """The MPI in use, such as MPICH 5.0.2; asked without joining anything."""
    name, version = _mpi().get_vendor()
    return f"{name} {'.'.join(map(str, version))}"


def fitting() -> str:
    """The way of joining, of those that `srun --mpi=list` names, which the MPI in use knows."""
    mpi = _mpi()
    return "pmix" if mpi.get_vendor()[0] == "Open MPI" or "pmix" in mpi.Get_library_version().lower() else "pmi2"


def neighbours(value: Value) -> list[Value]:
    """The values of all processes on this machine."""
    here = join().Split_type(_mpi().COMM_TYPE_SHARED)
    values = here.allgather(value)
    here.Free()
    return values


def end(line: str, code: int = 1, *, shared: bool = True, leave: Callable[[int], NoReturn] = sys.exit) -> NoReturn:
    """Print one line and end. Of several processes that share the work all end, and the first one speaks if it can."""
    if not shared or started() == 1:
        say(line)
        leave(code)
    first, world = not rank(), None
    if first:
        say(line)
    with suppress(Failure):  # MPI joins nobody: each ends by itself
        world = join()
    if not first:
        time.sleep(FIRST_SPEAKS_SECONDS)
        say(line)
    if world:
        _heard()
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # MPI would add lines of its own
        world.Abort(code)
    leave(code)


def leave(code: int) -> NoReturn:
    """End with a code that all processes end with."""
    if started() > 1:
        _mpi().Finalize()  # before mpi4py takes the code for an accident
    sys.exit(code)


def _heard() -> None:
    """Wait until a launcher has read what was printed: what lies in its pipe at the end is lost."""
    unread, limit = array.array("i", [0]), time.monotonic() + HEARD_SECONDS
    with suppress(OSError):  # not a pipe
        while not fcntl.ioctl(sys.stderr.fileno(), termios.FIONREAD, unread) and unread[0]:
            if time.monotonic() > limit:
                return
            time.sleep(0.01)


def _mpi() -> ModuleType:
    """mpi4py's MPI, imported without joining anything. Raises Failure where there is none."""
    try:
        import mpi4py

        mpi4py.rc.initialize, mpi4py.rc.finalize = False, True
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise Failure(f"no MPI can be loaded ({reason(error)}); pip install mpi4py mpich") from error
    return MPI


def _hide_pmix() -> None:
    """An MPI without PMIx ends the process, in many lines, where a launcher speaks that."""
    for name in [name for name in os.environ if name.startswith("PMIX_")]:
        del os.environ[name]


def _told(name: str) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else 0
