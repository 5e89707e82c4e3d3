"""The links for device arrays: staged through the host, and NCCL's with a likeness in NCCL's place."""

import os
import queue
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from cuda_bench import compile_engine
from cuda_fake_cupy import FakeCupy, install
from cuda_fake_nccl import Communicator, NcclError

from alexnet.engines.cuda.gpu import GpuDevice
from alexnet.errors import Failure
from alexnet.links import nccl
from alexnet.links.nccl import NcclLink
from alexnet.machine.launch import mpiexec

HERE = Path(__file__).parent


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    compile_engine("fp32")
    return install(FakeCupy(2), monkeypatch)


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["shared", "nccl"])
def test_exchanges(kind: str, precision: str, processes: int) -> None:
    compile_engine(precision)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]), "OPENBLAS_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "mpi4py", str(HERE / "cuda_links_program.py"), kind, precision]
    command = [mpiexec(), "-n", str(processes), *program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]


class Gone(Communicator):
    """A communicator whose peer has died."""

    aborted_on: int | None = None

    def check_async_error(self) -> None:
        raise NcclError("NCCL_ERROR_REMOTE_ERROR")

    def abort(self) -> None:
        Gone.aborted_on = self._nccl.machine.current


def test_a_dead_peer_is_noticed(cupy: FakeCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nccl, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(cupy.cuda.nccl, "NcclCommunicator", partial(Gone, cupy.cuda.nccl), raising=False)
    heard: queue.Queue[str] = queue.Queue()
    NcclLink(1, GpuDevice(1, "fp32"), heard.put)
    assert "NCCL_ERROR_REMOTE_ERROR" in heard.get(timeout=60)
    assert Gone.aborted_on == 1


def test_one_gpu_for_two_is_refused_in_a_line(cupy: FakeCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: object) -> None:
        raise NcclError("NCCL_ERROR_INVALID_USAGE: Duplicate GPU detected")

    monkeypatch.setattr(cupy.cuda.nccl, "NcclCommunicator", refused, raising=False)
    with pytest.raises(Failure, match=r"NCCL cannot connect the GPUs .*Duplicate GPU.*NCCL_DEBUG=INFO"):
        NcclLink(1, GpuDevice(0, "fp32"), pytest.fail)


def test_nccl_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(Failure, match="NCCL cannot be loaded"):
        nccl.cupy_nccl()
