"""NCCL through MPI, in a stream's order, with NCCL's refusals; counts are in elements, as NCCL's are."""

import ctypes
import platform
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from cuda_fake_runtime import Machine
from mpi4py import MPI

from alexnet.engines.maps import from_bf16, to_bf16

FLOAT32, BFLOAT16, SUM = 7, 9, 0  # of nccl.h
TYPES = {FLOAT32: np.dtype(np.float32), BFLOAT16: np.dtype(np.uint16)}


class NcclError(RuntimeError):
    pass


def refuse(unless: bool, why: str) -> None:
    if not unless:
        raise NcclError(f"NCCL_ERROR_INVALID_USAGE: {why}")


class Nccl(SimpleNamespace):
    """cupy.cuda.nccl."""

    available, NCCL_FLOAT32, NCCL_SUM = True, FLOAT32, SUM

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine, self.groups, self._depth = machine, 0, 0
        self.summed_in: set[int] = set()  # streams
        self._held: list[Callable[[], None]] = []

    def get_unique_id(self) -> bytes:
        return np.random.default_rng().bytes(128)

    def NcclCommunicator(self, size: int, identity: bytes, rank: int) -> "Communicator":
        return Communicator(self, size, identity, rank)

    def groupStart(self) -> None:
        self._depth += 1
        self.groups += 1

    def groupEnd(self) -> None:
        refuse(self._depth == 1, "a group ends that has not begun")
        self._depth = 0
        for start in self._held:
            start()
        self._held.clear()

    def start(self, collective: Callable[[], None]) -> None:
        """Now, or at the end of the group."""
        if self._depth:
            self._held.append(collective)
        else:
            collective()


class Communicator:
    """Of the GPU that is current when it is made; every process of the world makes one at the same time."""

    def __init__(self, nccl: Nccl, size: int, identity: bytes, rank: int) -> None:
        assert len(identity) == 128
        self._nccl, self._gpu = nccl, nccl.machine.current
        self._processes = MPI.COMM_WORLD.Split(int.from_bytes(identity[:3], "little"), rank)
        assert self._processes.size == size
        everyones = self._processes.allgather((platform.node(), self._gpu))
        refuse(len(set(everyones)) == size, f"Duplicate GPU detected among {everyones}")

    def allGather(self, send: int, receive: int, count: int, kind: int, stream: int) -> None:
        whole = count * self._processes.size

        def run() -> None:
            self._processes.Allgather(_view(send, count, kind), _view(receive, whole, kind))

        self._give(run, stream, kind, (send, count), (receive, whole))

    def reduceScatter(self, send: int, receive: int, count: int, kind: int, op: int, stream: int) -> None:
        assert op == SUM
        whole = count * self._processes.size

        def run() -> None:
            total = np.empty(count, np.float32)
            self._processes.Reduce_scatter_block(_floats(_view(send, whole, kind)), total, MPI.SUM)
            _view(receive, count, kind)[...] = to_bf16(total) if kind == BFLOAT16 else total

        self._give(run, stream, kind, (send, whole), (receive, count))

    def allReduce(self, send: int, receive: int, count: int, kind: int, op: int, stream: int) -> None:
        assert (op, kind, send) == (SUM, FLOAT32, receive)
        self._nccl.summed_in.add(stream)

        def run() -> None:
            self._processes.Allreduce(MPI.IN_PLACE, _view(receive, count, kind), MPI.SUM)

        self._give(run, stream, kind, (send, count))

    def broadcast(self, send: int, receive: int, count: int, kind: int, root: int, stream: int) -> None:
        """`send` is looked at in the root alone."""
        mine = self._processes.rank == root

        def run() -> None:
            values = _view(receive, count, kind)
            if mine:
                values[...] = _view(send, count, kind)
            self._processes.Bcast(values, root)

        self._give(run, stream, kind, (receive, count), *[(send, count)] * mine)

    def reduce(self, send: int, receive: int, count: int, kind: int, op: int, root: int, stream: int) -> None:
        """`receive` is looked at in the root alone."""
        assert op == SUM
        mine = self._processes.rank == root

        def run() -> None:
            total = np.empty(count, np.float32)
            self._processes.Reduce(_floats(_view(send, count, kind)), total if mine else None, MPI.SUM, root)
            if mine:
                _view(receive, count, kind)[...] = to_bf16(total) if kind == BFLOAT16 else total

        self._give(run, stream, kind, (send, count), *[(receive, count)] * mine)

    def check_async_error(self) -> None:
        pass

    def abort(self) -> None:
        raise AssertionError("nobody is gone")

    def _give(self, run: Callable[[], None], stream: int, kind: int, *buffers: tuple[int, int]) -> None:
        chosen = self._nccl.machine.streams[stream]
        refuse(chosen.device_id == self._gpu, f"{chosen} in a communicator of GPU {self._gpu}")
        for address, count in buffers:
            owner = self._nccl.machine.owner(address, count * TYPES[kind].itemsize)
            refuse(owner == self._gpu, f"memory of {owner} in a communicator of GPU {self._gpu}")
        self._nccl.start(lambda: chosen.give(run))


def _view(address: int, count: int, kind: int) -> Any:
    dtype = TYPES[kind]
    return np.frombuffer((ctypes.c_char * (count * dtype.itemsize)).from_address(address), dtype)


def _floats(values: Any) -> Any:
    return from_bf16(values) if values.dtype == np.uint16 else np.ascontiguousarray(values)
