"""What the CUDA engine asks of a device, and memory on it. One device is real, one runs the kernels on the CPU."""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import Precision
from alexnet.engines.maps import as_host

Triple = tuple[int, int, int]
Values = NDArray[Any]

NUMBER = np.dtype(np.float64)  # of a scalar in memory


class Memory(Protocol):
    """Bytes on a device, freed when nobody holds them."""

    @property
    def address(self) -> int: ...


class Stream(Protocol):
    """Work in order; streams run beside each other."""

    def wait_for(self, other: "Stream") -> None:
        """What comes next here waits for all that `other` has been given so far."""

    def synchronize(self) -> None:
        """The host waits until all of it is done."""


class Graph(Protocol):
    """Work captured once, to be run again and again."""

    def launch(self) -> None: ...


class Device(Protocol):
    """One GPU, or its likeness. Work goes to `main` where no stream is named.

    Two threads may share it. The one that trains calls everything. The loader's calls no more than `stream`,
    `allocate`, `pinned`, `to_device`, and `launch` on a stream of its own, in `CudaEngine.maps`, `upload`,
    `ops.augment` and where it assigns to an array without copies: the other operations share workspaces and recorded
    work whose order is that of one thread. While `capture` records, whoever else gives work is held up, so that nothing
    of it comes into the graph. Memory is given and taken back in `main`'s order: a stream that uses what it was just
    given waits for `main` first. NCCL's watching thread asks and aborts communicators, and gives the device no work.
    """

    precision: Precision

    @property
    def main(self) -> Stream: ...

    def stream(self) -> Stream: ...

    def allocate(self, size: int) -> Memory:
        """`size` bytes of undefined contents, aligned to 256."""

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Host memory that a device can copy from and to while the host goes on."""

    def launch(
        self, kernel: str, grid: Triple, block: Triple, arguments: Sequence[Values], stream: Stream | None = None
    ) -> None:
        """Start a kernel; `arguments` are scalars and structures in the kernel's order (cuLaunchKernel's form)."""

    def gemm(self, a: "Array", b: "Array", c: "Array", *, transpose_a: bool = False, transpose_b: bool = False) -> None:
        """c = a b for row-major matrices, accumulated in float32; a and b have one type, c may have another."""

    def to_device(self, values: Values, address: int, stream: Stream | None = None) -> None:
        """Start a copy from host memory, which must stay as it is until the stream has come past."""

    def to_host(self, address: int, values: Values) -> None:
        """Copy to host memory once all earlier work of `main` is done, and wait for it."""

    def begin_to_host(self, address: int, values: Values) -> None:
        """Start a copy to `pinned` memory, after all earlier work of `main`."""

    def copy(self, source: int, target: int, size: int) -> None:
        """Copy inside the device."""

    def mark(self) -> Any:
        """An event in `main`."""

    def wait(self, mark: Any) -> None:
        """The host waits until an event has passed."""

    def seconds(self, begin: Any, end: Any) -> float:
        """Between two events, once both have passed."""

    def capture(self, work: Callable[[], None]) -> Graph:
        """What `work` gives to `main`, not yet run; `work` neither waits, nor allocates, nor meets the host."""


def packed(arguments: Sequence[Values]) -> Any:
    """Arguments in cuLaunchKernel's form: an array of their addresses, which keeps the values themselves alive."""
    kept = [np.ascontiguousarray(each) for each in arguments]
    addresses = (ctypes.c_void_p * len(kept))(*(each.ctypes.data for each in kept))
    addresses.kept = kept  # type: ignore[attr-defined]
    return addresses


def pointer(address: int) -> Values:
    """An address as a kernel's argument."""
    return np.array(address, np.uint64)


@dataclass(frozen=True)
class Form:
    """Weights as a convolution reads them, and how they come there (PackShape)."""

    array: "Array"
    shape: Values


@dataclass(eq=False)
class Array:
    """A C-contiguous array on a device.

    `shadow` is its copy in the products' type, `forms` are those for convolutions: whoever writes it keeps them up.
    """

    device: Device
    memory: Memory
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int = 0
    shadow: "Array | None" = None
    forms: list[Form] = field(default_factory=list)

    @classmethod
    def empty(cls, device: Device, shape: tuple[int, ...], dtype: np.dtype[Any]) -> "Array":
        return cls(device, device.allocate(prod(shape) * dtype.itemsize), shape, dtype)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def address(self) -> int:
        return self.memory.address + self.offset

    @property
    def argument(self) -> Values:
        return pointer(self.address)

    @property
    def chunks(self) -> int:
        """How many times 16 bytes: what one thread takes of a map at once."""
        return self.nbytes // 16

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, *shape: int) -> "Array":
        """The same memory, or its first part, in another shape."""
        if prod(shape) > self.size:
            raise ValueError(f"an array of shape {self.shape} has no room for {shape}")
        return Array(self.device, self.memory, shape, self.dtype, self.offset)

    def __getitem__(self, part: slice | int) -> "Array":
        if isinstance(part, int):
            row = range(len(self))[part]
            return Array(self.device, self.memory, self.shape[1:], self.dtype, self[row : row + 1].offset)
        first, end, step = part.indices(len(self))
        if step != 1:
            raise ValueError(f"a part of an array on a device is contiguous, not {part}")
        shape = (max(end - first, 0), *self.shape[1:])
        offset = self.offset + first * prod(self.shape[1:]) * self.dtype.itemsize
        return Array(self.device, self.memory, shape, self.dtype, offset)

    def __setitem__(self, part: Any, values: "Array | Values") -> None:
        """Take over values of the same shape, from this device or from the host."""
        target = self if part is Ellipsis else self[part]
        if values.shape != target.shape:
            raise ValueError(f"values of shape {values.shape} do not fit {target.shape}")
        if isinstance(values, Array):
            self.device.copy(values.address, target.address, target.nbytes)
        else:
            plain = np.ascontiguousarray(values, self.dtype)
            self.device.to_device(plain, target.address)
            self.device.main.synchronize()
        self.refresh()

    def refresh(self) -> None:
        """Bring shadow and forms up to date."""
        if self.shadow is not None:
            flat(self.device, "to_maps", self.size, self.argument, self.shadow.argument, np.int64(self.size))
        for each in self.forms:
            flat(self.device, "conv_pack", each.array.size, self.argument, each.array.argument, each.shape)

    def download(self) -> Values:
        """The values on the host; bf16 becomes float32."""
        values = np.empty(self.shape, self.dtype)
        self.device.to_host(self.address, values)
        return as_host(values)


def flat(device: Device, kernel: str, count: int, *arguments: Any, rows: int = 1, together: int = 256) -> None:
    """A kernel whose threads, `together` a block, stride over `count` elements (blockIdx.y), for each of `rows`
    (blockIdx.x)."""
    threads = min(-(-count // 32) * 32, together)
    blocks = min(-(-count // threads), max(2048 // rows, 1))
    device.launch(kernel, (rows, blocks, 1), (threads, 1, 1), [np.asarray(each) for each in arguments])
