"""The links for device arrays: staged through the host, and NCCL's with an MPI likeness in NCCL's place."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cuda_bench import compile_engine
from mpi4py import MPI

from alexnet.errors import Failure
from alexnet.links import nccl
from alexnet.links.nccl import Nccl, NcclLink
from alexnet.machine.launch import mpiexec

HERE = Path(__file__).parent


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["staged", "nccl"])
def test_exchanges(kind: str, precision: str, processes: int) -> None:
    compile_engine(precision)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]), "OPENBLAS_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "mpi4py", str(HERE / "cuda_links_program.py"), kind, precision]
    command = [mpiexec(), "-n", str(processes), *program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]


class Gone:
    """A communicator whose peer has died."""

    def __init__(self, processes: MPI.Comm) -> None:
        self.aborted = False

    def check_async_error(self) -> None:
        raise RuntimeError("NCCL_ERROR_REMOTE_ERROR")

    def abort(self) -> None:
        self.aborted = True


def test_a_dead_peer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nccl, "POLL_SECONDS", 0.01)
    heard, made = threading.Event(), []

    def connect(processes: MPI.Comm) -> Gone:
        made.append(Gone(processes))
        return made[-1]

    reasons: list[str] = []

    def ended(why: str) -> None:
        reasons.append(why)
        heard.set()

    NcclLink(1, Nccl(connect, lambda: None, lambda: None, 7, 9, 0), 0, ended)  # type: ignore[arg-type]
    assert heard.wait(5)
    assert made[0].aborted and "NCCL_ERROR_REMOTE_ERROR" in reasons[0]


def test_nccl_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(Failure, match="NCCL cannot be loaded"):
        nccl.cupy_nccl()
