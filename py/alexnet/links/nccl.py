"""Exchanges between GPUs through NCCL, in the order of the device's main stream; MPI does the rest.

A peer that dies is noticed by a thread that asks NCCL every second: the communicators are aborted, which frees
whoever waits for them, and every process ends.
"""

import importlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mpi4py import MPI

from alexnet.engines import Own
from alexnet.engines.cuda.device import BF16, Array
from alexnet.engines.cuda.gpu import GpuDevice
from alexnet.errors import Failure, reason
from alexnet.links.mpi import MpiLink
from alexnet.links.staged import StagedLink

POLL_SECONDS = 1.0


class Communicator(Protocol):
    """What is used of cupy.cuda.nccl.NcclCommunicator."""

    def allGather(self, send: int, receive: int, count: int, kind: int, stream: int) -> None: ...
    def reduceScatter(self, send: int, receive: int, count: int, kind: int, op: int, stream: int) -> None: ...
    def allReduce(self, send: int, receive: int, count: int, kind: int, op: int, stream: int) -> None: ...
    def check_async_error(self) -> None: ...
    def abort(self) -> None: ...


@dataclass(frozen=True)
class Nccl:
    """What is used of cupy.cuda.nccl, so that the tests can put an MPI likeness in its place."""

    connect: Callable[[MPI.Comm], Communicator]
    group_start: Callable[[], None]
    group_end: Callable[[], None]
    float32: int
    bfloat16: int
    total: int


def cupy_nccl() -> Nccl:
    """NCCL as CuPy offers it. Raises Failure where it cannot be loaded."""
    try:
        nccl = importlib.import_module("cupy.cuda.nccl")
    except ImportError as error:
        raise Failure(f"NCCL cannot be loaded ({reason(error)}); pip install nvidia-nccl-cu13") from error
    if not getattr(nccl, "available", True):
        raise Failure("CuPy finds no NCCL; pip install nvidia-nccl-cu13 (or -cu12 with cupy-cuda12x)")

    def connect(processes: MPI.Comm) -> Communicator:
        identity = processes.bcast(nccl.get_unique_id() if processes.rank == 0 else None, root=0)
        made: Communicator = nccl.NcclCommunicator(processes.size, identity, processes.rank)
        return made

    kinds = nccl.NCCL_FLOAT32, nccl.NCCL_BFLOAT16
    return Nccl(connect, nccl.groupStart, nccl.groupEnd, *kinds, nccl.NCCL_SUM)


class NcclLink(MpiLink):
    """One process per GPU; the processes that share a net are one communicator, the replicas of a column another."""

    def __init__(self, columns: int, nccl: Nccl, stream: int, ended: Callable[[str], None]) -> None:
        """`stream`: the device's main stream; `ended`: called with a reason when a peer is gone."""
        super().__init__(columns)
        self._nccl, self._stream = nccl, stream
        self._columns = nccl.connect(self._group)
        self._peers = [self._columns]
        if self.place.replicas > 1:
            self._replica_peers = nccl.connect(self._replicas)
            self._peers.append(self._replica_peers)
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._poll, args=(ended,), daemon=True)
        self._watch.start()

    def gather(self, own: Own, whole: Own) -> None:
        self._check(own, whole)
        self._columns.allGather(own.address, whole.address, own.size, self._kind(own), self._stream)

    def scatter(self, whole: Own, own: Own) -> None:
        self._check(own, whole)
        sizes = own.size, self._kind(own), self._nccl.total
        self._columns.reduceScatter(whole.address, own.address, *sizes, self._stream)

    def average(self, gradients: Sequence[Own]) -> None:
        if self.place.replicas == 1:
            return
        self._nccl.group_start()
        for each in gradients:
            sizes = each.size, self._kind(each), self._nccl.total
            self._replica_peers.allReduce(each.address, each.address, *sizes, self._stream)
        self._nccl.group_end()

    def close(self) -> None:
        """End the thread that watches the peers."""
        self._closing.set()
        self._watch.join()

    def _kind(self, array: Array) -> int:
        return self._nccl.bfloat16 if array.dtype == BF16 else self._nccl.float32

    def _check(self, own: Array, whole: Array) -> None:
        if own.size * self.place.shares != whole.size:
            raise Failure(
                f"an exchange of {whole.shape[0]} maps over {self.place.shares} GPUs; NCCL needs equal shares: "
                "use a number of kernels that divides, or --device cpu"
            )

    def _poll(self, ended: Callable[[str], None]) -> None:
        while not self._closing.wait(POLL_SECONDS):
            try:
                for peer in self._peers:
                    peer.check_async_error()
            except Exception as error:
                for peer in self._peers:
                    peer.abort()
                ended(f"another process or its GPU is gone (NCCL: {reason(error)}); run again with --resume")
                return


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
    return NcclLink(columns, cupy_nccl(), device.main.handle.ptr, ended)
