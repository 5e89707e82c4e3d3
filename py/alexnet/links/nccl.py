"""Exchanges between GPUs through NCCL; MPI does the rest.

Crossings are in the order of the device's main stream; the sums of gradients go on beside it.

A fault that NCCL knows of (a network that failed, a GPU that fell off its bus) is heard by a thread that asks every
second: the communicators are aborted, which frees whoever waits for them, and every process ends. A process that just
dies on the same machine is nothing that NCCL knows of: the launcher ends the others, as mpiexec and srun do.
"""

import importlib
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, Protocol

from mpi4py import MPI

from alexnet.engines import Own
from alexnet.engines.cuda.device import Array
from alexnet.engines.cuda.gpu import GpuDevice
from alexnet.engines.maps import BF16
from alexnet.errors import Failure, reason
from alexnet.links.mpi import MpiLink
from alexnet.links.staged import StagedLink, column_sizes

POLL_SECONDS = 1.0
FLOAT32, BFLOAT16, SUM = 7, 9, 0  # of nccl.h; CuPy before release 14 has no name for bfloat16


class Communicator(Protocol):
    """What is used of cupy.cuda.nccl.NcclCommunicator."""

    def allGather(self, send: int, receive: int, count: int, kind: int, stream: int) -> None: ...
    def reduceScatter(self, send: int, receive: int, count: int, kind: int, op: int, stream: int) -> None: ...
    def allReduce(self, send: int, receive: int, count: int, kind: int, op: int, stream: int) -> None: ...
    def broadcast(self, send: int, receive: int, count: int, kind: int, root: int, stream: int) -> None: ...
    def reduce(self, send: int, receive: int, count: int, kind: int, op: int, root: int, stream: int) -> None: ...
    def check_async_error(self) -> None: ...
    def abort(self) -> None: ...


def cupy_nccl() -> Any:
    """NCCL as CuPy offers it. Raises Failure where it cannot be loaded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # CuPy's own words, over several lines, for what the Failure says
            nccl = importlib.import_module("cupy.cuda.nccl")
    except ImportError as error:
        raise Failure(f"NCCL cannot be loaded ({reason(error)}); pip install nvidia-nccl-cu13") from error
    if not nccl.available:
        raise Failure("CuPy finds no NCCL; pip install nvidia-nccl-cu13 (or -cu12 with cupy-cuda12x)")
    return nccl


class NcclLink(MpiLink):
    """One process per GPU; the processes that share a net are one communicator, the replicas of a column another."""

    def __init__(self, columns: int, device: GpuDevice, ended: Callable[[str], None]) -> None:
        """`ended`: called with a reason when a peer is gone. Raises Failure where there is no NCCL."""
        super().__init__(columns)
        self._nccl, self._device, self._stream = cupy_nccl(), device, device.main.handle.ptr
        self._columns = self._connect(self._group)
        self._peers = [self._columns]
        if self.place.replicas > 1:
            self._replica_peers = self._connect(self._replicas)
            self._peers.append(self._replica_peers)
            self._sums = device.stream()  # beside the main one, which goes on with the layers below
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._poll, args=(ended,), daemon=True)
        self._watch.start()

    def gather(self, own: Own, whole: Own) -> None:
        shares, kind = column_sizes(whole, self.place), _kind(own)
        with self._device.turn:
            if len(set(shares)) == 1:
                self._columns.allGather(own.address, whole.address, own.size, kind, self._stream)
                return
            with self._together():
                for column, address in enumerate(_addresses(whole, shares)):
                    self._columns.broadcast(own.address, address, shares[column], kind, column, self._stream)

    def scatter(self, whole: Own, own: Own) -> None:
        shares, kind = column_sizes(whole, self.place), _kind(own)
        with self._device.turn:
            if len(set(shares)) == 1:
                self._columns.reduceScatter(whole.address, own.address, own.size, kind, SUM, self._stream)
                return
            with self._together():
                for column, address in enumerate(_addresses(whole, shares)):
                    self._columns.reduce(address, own.address, shares[column], kind, SUM, column, self._stream)

    def average(self, gradients: Sequence[Own]) -> None:
        if not gradients or self.place.replicas == 1:
            return
        stream = self._sums.handle.ptr
        self._sums.wait_for(self._device.main)
        with self._device.turn, self._together():
            for each in gradients:
                self._replica_peers.allReduce(each.address, each.address, each.size, _kind(each), SUM, stream)

    def averaged(self) -> None:
        if self.place.replicas > 1:
            self._device.main.wait_for(self._sums)

    def close(self) -> None:
        """End the thread that watches the peers."""
        self._closing.set()
        self._watch.join()

    def _connect(self, processes: MPI.Comm) -> Communicator:
        """A communicator takes the GPU that is current when it is made."""
        identity = processes.bcast(self._nccl.get_unique_id() if processes.rank == 0 else None, root=0)
        with self._device.turn:
            try:
                made: Communicator = self._nccl.NcclCommunicator(processes.size, identity, processes.rank)
            except RuntimeError as error:
                raise Failure(f"NCCL cannot connect the GPUs ({reason(error)}); NCCL_DEBUG=INFO says more") from error
        return made

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Collectives that NCCL starts as one."""
        self._nccl.groupStart()
        yield
        self._nccl.groupEnd()

    def _poll(self, ended: Callable[[str], None]) -> None:
        self._device.use()
        while not self._closing.wait(POLL_SECONDS):
            try:
                for peer in self._peers:
                    peer.check_async_error()
            except Exception as error:
                for peer in self._peers:
                    peer.abort()
                ended(f"another process or its GPU is gone (NCCL: {reason(error)}); run again with --resume")
                return


def _kind(array: Array) -> int:
    return BFLOAT16 if array.dtype == BF16 else FLOAT32


def _addresses(whole: Array, shares: Sequence[int]) -> list[int]:
    """Where each column's maps begin."""
    begins = accumulate(shares[:-1], initial=0)
    return [whole.address + begin * whole.dtype.itemsize for begin in begins]


def own_gpu(gpus: Sequence[int]) -> int:
    """Which of the GPUs this process takes: by its place among the processes of its machine, round and round."""
    here = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED)
    chosen = gpus[here.Get_rank() % len(gpus)]
    here.Free()
    return chosen


def link_gpus(columns: int, device: GpuDevice, ended: Callable[[str], None]) -> MpiLink:
    """NCCL where each process has a GPU of its own; through the host where two share one, which NCCL refuses."""
    identities = MPI.COMM_WORLD.allgather(device.identity)
    if len(set(identities)) < len(identities):
        return StagedLink(columns)
    return NcclLink(columns, device, ended)
