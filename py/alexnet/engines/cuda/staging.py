"""A minibatch's way from the images' bytes to the device, on a stream of its own."""

import threading
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.engines.cuda.device import Array, Device

ALIGNMENT = 256


class Staging:
    """Pinned memory and its likeness on the device; one batch at a time is under way."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._stream = device.stream()
        self._lock = threading.Lock()
        self._host = device.pinned(0)
        self._there: Array | None = None

    def run(self, kernel: Callable[..., None], images: Sequence[NDArray[np.uint8]], *others: NDArray[Any]) -> None:
        """Copy the images, stacked, and the other arrays to the device, then kernel(stream, *arrays there).

        The copy goes beside the main stream; the kernel, which writes what the main stream has read, after all it has
        been given so far. Returns when the kernel is done.
        """
        with self._lock:
            shape = (len(images), *images[0].shape)
            layout: list[tuple[int, tuple[int, ...], np.dtype[Any]]] = []
            end = 0
            for size, kind in [(shape, np.dtype(np.uint8)), *((each.shape, each.dtype) for each in others)]:
                layout.append((end, size, kind))
                end += -(-prod(size) * kind.itemsize // ALIGNMENT) * ALIGNMENT
            there = self._room(end)
            for index, image in enumerate(images):
                self._host[index * image.size : (index + 1) * image.size] = image.ravel()
            for (start, _, _), other in zip(layout[1:], others, strict=True):
                plain = np.ascontiguousarray(other).view(np.uint8).ravel()
                self._host[start : start + plain.size] = plain
            self._device.to_device(self._host[:end], there.address, self._stream)
            arrays = [Array(self._device, there.memory, size, kind, start) for start, size, kind in layout]
            self._stream.wait_for(self._device.main)
            kernel(self._stream, *arrays)
            self._stream.synchronize()

    def _room(self, size: int) -> Array:
        if self._there is None or self._there.nbytes < size:
            self._host = self._device.pinned(size)
            self._there = Array.empty(self._device, (size,), np.dtype(np.uint8))
            self._stream.wait_for(self._device.main)  # which may still use what lay in this memory before
        return self._there
