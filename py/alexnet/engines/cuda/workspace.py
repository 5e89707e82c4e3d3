"""Memory that operations need only while they run; one array a purpose, grown to the largest use."""

from math import prod
from typing import Any

import numpy as np

from alexnet.engines.cuda.device import Array, Device


class Workspace:
    """Scratch arrays of one stream: the next use of a purpose comes after the last in the stream's order."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._arrays: dict[str, Array] = {}
        self._outgrown: list[Array] = []  # recorded work may still use them

    def take(self, purpose: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array of undefined contents, valid until the purpose's next use."""
        wanted = prod(shape) * dtype.itemsize
        held = self._arrays.get(purpose)
        if held is None or held.nbytes < wanted:
            self._outgrown += [] if held is None else [held]
            held = self._arrays[purpose] = Array.empty(self._device, (wanted,), np.dtype(np.uint8))
        return Array(self._device, held.memory, shape, dtype)
