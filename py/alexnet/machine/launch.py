"""Starting a command in several processes on this machine, with `mpiexec`."""

import codecs
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from alexnet.console import TERMINAL, terminal
from alexnet.errors import STOPPED, Failure
from alexnet.machine.signals import Signalled

# Left over in a shell that a cluster opened: the processes started here would take these for theirs.
LEFT_OVER = ("PMI_", "PMIX_", "OMPI_COMM_WORLD_")
# MPICH's mpiexec starts the processes here and itself, also where it finds a cluster's variables or hosts.
HERE = {"HYDRA_LAUNCHER": "fork", "HYDRA_RMK": "user"}
UP = "ALEXCTL_UP"
ENDS = (0, 1, 2, STOPPED)
POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1


def run(processes: int, arguments: list[str]) -> int:
    """Run `alexctl` with `arguments` in so many processes and return their exit code.

    A signal to stop is passed on; where this process is killed, the others end too.
    Raises Failure where there is no mpiexec.
    """
    # -P: what lies where the user works, such as an alexnet.py, is none of our modules.
    command = [mpiexec(), "-n", str(processes), sys.executable, "-P", "-m", "mpi4py", "-m", "alexnet", *arguments]
    with TemporaryDirectory(prefix="alexctl-") as folder:
        up = Path(folder) / "up"
        child = subprocess.Popen(
            command,
            env=_environment() | {UP: str(up)},
            stdin=subprocess.DEVNULL,  # it belongs to whoever started us
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process to pass on
            preexec_fn=_die_with_parent,
        )
        with _heard(child):
            return _end_of(child, up)


def _end_of(child: "subprocess.Popen[bytes]", up: Path) -> int:
    try:
        code = child.wait()
        return code if code in ENDS else 1
    except (Signalled, KeyboardInterrupt) as stop:
        while child.poll() is None and not up.exists():  # mpiexec loses a signal that comes before the processes are up
            time.sleep(POLL_SECONDS)
        child.send_signal(signal.SIGTERM)
        code = child.wait()
        if code == signal.SIGTERM:
            raise  # nothing had begun, and nobody has said anything
        return code if code in ENDS else 128 + getattr(stop, "number", signal.SIGINT)


def up() -> None:
    """Tell `run` that a process which it started hears signals."""
    if path := os.environ.pop(UP, ""):
        with suppress(OSError):
            Path(path).touch()


@contextmanager
def _heard(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Print what the child prints. mpiexec by itself ends all processes when the terminal is gone that it prints to."""

    def pass_on() -> None:
        assert child.stderr
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while data := os.read(child.stderr.fileno(), 1 << 16):
            with suppress(OSError):
                sys.stderr.write(decode(data))
                sys.stderr.flush()

    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    yield
    thread.join()


def mpiexec() -> str:
    """The path of mpiexec; raises Failure where there is none."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise Failure("mpiexec is not found; install it with `pip install mpich`, or use `--procs 1`")
    return found


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OVER)}
    width = terminal()
    return own | HERE | ({TERMINAL: str(width)} if width else {})


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
