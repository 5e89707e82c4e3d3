"""CUDA's runtime on host memory: several GPUs, one of them current in each thread, and what CUDA refuses refused.

Streams run as late as they may: when somebody waits for them, in the order that events give, and in no other. Memory
that is free goes to the next who asks for as much in the same stream, with what lies in it.
"""

import bisect
import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

Work = Callable[[], Any]
ALIGNMENT = 512  # of CuPy's pool


class CUDARuntimeError(RuntimeError):
    pass


def refuse(unless: bool, why: str) -> None:
    if not unless:
        raise CUDARuntimeError(f"cudaErrorInvalidResourceHandle: {why}")


class Machine:
    """The GPUs of one process, and what lies in their memory."""

    def __init__(self, gpus: int) -> None:
        self.gpus = gpus
        self.contexts: set[int] = set()  # GPUs on which this process has one: memory and time
        self.lock = threading.RLock()
        self.streams: dict[int, Stream] = {}
        self.reused: list[int] = []  # addresses of memory given again
        self._thread = threading.local()
        self._blocks: list[tuple[int, int, int]] = []  # begin, end, GPU
        self._kept: list[Any] = []
        self._free: dict[tuple[int, int], list[tuple[int, int]]] = {}  # (GPU, stream): (size, address)

    @property
    def current(self) -> int:
        """Of this thread; 0 until it says otherwise."""
        return getattr(self._thread, "gpu", 0)

    @current.setter
    def current(self, gpu: int) -> None:
        self._thread.gpu = gpu
        self.contexts.add(gpu)  # as since CUDA 12

    @property
    def stack(self) -> list[Any]:
        """What `with` blocks of this thread will put back."""
        if not hasattr(self._thread, "stack"):
            self._thread.stack = []
        stack: list[Any] = self._thread.stack
        return stack

    @property
    def current_streams(self) -> dict[int, "Stream"]:
        if not hasattr(self._thread, "streams"):
            self._thread.streams = {}
        streams: dict[int, Stream] = self._thread.streams
        return streams

    def allocate(self, size: int) -> "Memory":
        """Of the current GPU, from the pool of its current stream; new memory is full of NaN."""
        stream = self.current_streams.get(self.current)
        pool = self.current, stream.ptr if stream else 0
        size = max(-(-size // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
        with self.lock:
            free = self._free.setdefault(pool, [])
            fitting = min((each for each in free if each[0] >= size), default=None)
            if fitting is not None:
                free.remove(fitting)
                self.reused.append(fitting[1])
                return Memory(free, *fitting)
            block = (ctypes.c_char * (size + ALIGNMENT))()
            ctypes.memset(block, 0xFF, size + ALIGNMENT)
            address = -(-ctypes.addressof(block) // ALIGNMENT) * ALIGNMENT
            self._kept.append(block)
            bisect.insort(self._blocks, (address, address + size, self.current))
            return Memory(free, size, address)

    def owner(self, address: int, size: int = 1) -> int | None:
        """The GPU in whose memory this lies, None for the host's; raises where it lies across an end."""
        with self.lock:
            at = bisect.bisect_right(self._blocks, (address, 1 << 64, 0)) - 1
        if at < 0 or self._blocks[at][1] <= address:
            return None
        refuse(address + size <= self._blocks[at][1], "beyond the end of a block of memory")
        return self._blocks[at][2]

    def copy(self, target: int, source: int, size: int, kind: str, stream: int) -> None:
        """cudaMemcpyAsync; what is copied is read when the stream comes to it."""
        chosen = self.streams[stream]
        sides = {"in": (chosen.device_id, None), "out": (None, chosen.device_id), "inside": (chosen.device_id,) * 2}
        found = self.owner(target, size), self.owner(source, size)
        refuse(not size or found == sides[kind], f"a copy '{kind}' from memory of {found[1]} to {found[0]} on {chosen}")
        refuse(chosen.capture is None or kind == "inside", "pageable memory in a graph")
        chosen.give(lambda: ctypes.memmove(target, source, size))

    def fill(self, address: int, value: int, size: int, stream: int) -> None:
        """cudaMemsetAsync."""
        chosen = self.streams[stream]
        refuse(not size or self.owner(address, size) == chosen.device_id, f"memory of another in {chosen}")
        chosen.give(lambda: ctypes.memset(address, value, size))

    def Device(self, index: int) -> "Device":
        return Device(self, index)

    def Stream(self, non_blocking: bool = False) -> "Stream":
        return Stream(self, non_blocking)

    def Event(self) -> "Event":
        return Event(self)

    def seconds(self, begin: "Event", end: "Event") -> float:
        refuse(begin.device_id == end.device_id, "the time between events of two GPUs")
        return end.at - begin.at


class Memory:
    """A block of a pool, which has it back when nobody holds this."""

    def __init__(self, free: list[tuple[int, int]], size: int, address: int) -> None:
        self._free, self._size, self.ptr = free, size, address

    def __del__(self) -> None:
        self._free.append((self._size, self.ptr))


class Device:
    """cupy.cuda.Device."""

    capability = "90"

    def __init__(self, machine: Machine, index: int) -> None:
        assert 0 <= index < machine.gpus
        self._machine, self.id = machine, index
        self.pci_bus_id = f"0000:{index + 1:02d}:00.0"

    @property
    def compute_capability(self) -> str:
        with self:
            return self.capability

    def use(self) -> "Device":
        self._machine.current = self.id
        return self

    def __enter__(self) -> "Device":
        self._machine.stack.append(self._machine.current)
        return self.use()

    def __exit__(self, *why: object) -> None:
        self._machine.current = self._machine.stack.pop()


class Stream:
    """cupy.cuda.Stream of the current GPU."""

    def __init__(self, machine: Machine, non_blocking: bool) -> None:
        assert non_blocking, "a blocking stream waits for the default stream"
        self.machine, self.device_id, self.ptr = machine, machine.current, id(self)
        self.given = self.done = 0
        self._work: deque[Work] = deque()
        self.capture: Capture | None = None
        machine.streams[self.ptr] = self

    def __repr__(self) -> str:
        return f"a stream of GPU {self.device_id}"

    def give(self, work: Work) -> None:
        with self.machine.lock:
            if self.capture is not None:
                self.capture.work[self.ptr].append(work)
                return
            self._work.append(work)
            self.given += 1

    def run(self, position: int) -> None:
        """All that was given up to then."""
        with self.machine.lock:
            while self.done < position:
                work = self._work.popleft()
                work()
                self.done += 1

    def __enter__(self) -> "Stream":
        self._must_be_current("made current")
        streams = self.machine.current_streams
        self.machine.stack.append(streams.get(self.device_id))
        streams[self.device_id] = self
        return self

    def __exit__(self, *why: object) -> None:
        before = self.machine.stack.pop()
        streams = self.machine.current_streams
        streams[self.device_id] = before
        if before is None:
            del streams[self.device_id]

    def record(self, event: "Event | None" = None) -> "Event":
        event = event or Event(self.machine)
        event.record(self)
        return event

    def wait_event(self, event: "Event") -> None:
        if event.capture is not None:
            event.capture.wait(self, event)
            return
        refuse(self.capture is None, "a wait for what no graph holds")
        position, other = event.position, event.stream
        self.give(lambda: other.run(position))

    def begin_capture(self, mode: str) -> None:
        assert mode == "relaxed" and self.machine.current_streams[self.device_id] is self
        self.capture = Capture(self)

    def end_capture(self) -> "Graph":
        assert self.capture is not None
        return Graph(self, self.capture.end(self))

    def _must_be_current(self, act: str) -> None:
        refuse(self.device_id == self.machine.current, f"{self} {act} while GPU {self.machine.current} is current")


class Capture:
    """What is given to the streams of a graph under way; another stream's work runs when the first waits for it."""

    def __init__(self, first: Stream) -> None:
        self.work: dict[int, list[Work]] = {first.ptr: []}
        self._streams = [first]

    def wait(self, stream: Stream, event: "Event") -> None:
        """A stream that waits for an event in the graph is part of the graph from then on."""
        refuse(stream.capture in (None, self), "a wait for what another graph holds")
        if stream.capture is None:
            stream.capture, self.work[stream.ptr] = self, []
            self._streams.append(stream)
        if stream is self._streams[0]:
            theirs = self.work[event.stream.ptr]
            self.work[stream.ptr] += theirs
            theirs.clear()

    def end(self, first: Stream) -> list[Work]:
        refuse(first is self._streams[0], "a graph is ended in another stream than it was begun in")
        for each in self._streams:
            each.capture = None
        work = self.work.pop(first.ptr)
        refuse(not any(self.work.values()), "a graph ends that does not wait for all its streams")
        return work


class Event:
    """cupy.cuda.Event of the current GPU."""

    stream: Stream
    position: int
    at: float
    capture: Capture | None = None  # the graph that it is part of

    def __init__(self, machine: Machine) -> None:
        self.device_id = machine.current

    def record(self, stream: Stream) -> None:
        refuse(self.device_id == stream.device_id, f"an event of GPU {self.device_id} in {stream}")
        self.stream, self.capture = stream, stream.capture
        if self.capture is None:
            stream.give(self._pass)
            self.position = stream.given

    def synchronize(self) -> None:
        refuse(self.capture is None, "a wait of the host for an event in a graph")
        self.stream.run(self.position)

    def _pass(self) -> None:
        self.at = time.perf_counter()


class Graph:
    """cupy.cuda.Graph."""

    def __init__(self, stream: Stream, work: list[Work]) -> None:
        self._device_id, self._work = stream.device_id, work

    def launch(self, stream: Stream) -> None:
        stream._must_be_current("given a graph")
        refuse(self._device_id == stream.device_id, f"a graph of GPU {self._device_id} in {stream}")
        stream.give(lambda: [work() for work in self._work])


def runtime(machine: Machine) -> SimpleNamespace:
    """cupy.cuda.runtime."""
    return SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        CUDA_R_32F=0,
        CUDA_R_16BF=14,
        getDeviceCount=lambda: machine.gpus,
        getDeviceProperties=lambda index: {"name": b"Likeness of a GPU", "totalGlobalMem": 1 << 34},
        deviceCanAccessPeer=lambda one, other: False,
        memcpyHostToDevice="in",
        memcpyDeviceToHost="out",
        memcpyDeviceToDevice="inside",
        memcpyAsync=machine.copy,
        memsetAsync=machine.fill,
        streamCaptureModeRelaxed="relaxed",
        runtimeGetVersion=lambda: 13020,
    )
