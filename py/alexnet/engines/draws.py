"""Random numbers as a function of what they are for: Philox 4x32-10 by (seed, purpose, counter).

Nothing here has a state, so any process draws the same numbers in any order, resumed or not.
"""

import os
import zlib
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import native

WEIGHTS, ORDER, AUGMENT = 1, 2, 3  # dropout is purpose 4: the engine draws it
Words = NDArray[np.uint32]


def layer_key(name: str) -> int:
    """The number of a layer in counters: a function of its name, so that other layers may come and go."""
    return zlib.crc32(name.encode())


def words(seed: int, purpose: int, *counter: Any) -> Words:
    """Four random words for each counter; the counter's parts are broadcast. Shape (n, 4)."""
    parts = np.broadcast_arrays(*(np.asarray(part, np.uint32).ravel() for part in counter))
    counters = np.zeros((parts[0].size, 4), np.uint32)
    counters[:, : len(parts)] = np.stack(parts, axis=1)
    result: Words = native.module().philox(counters, seed, purpose)
    return result


def normals(seed: int, layer: str, first: int, count: int) -> NDArray[np.float32]:
    """Standard normal values `first` to `first + count` of a layer's weights in the plain form."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    drawn = native.module().normals(seed, WEIGHTS, layer_key(layer), first, count, threads=cores)
    return cast(NDArray[np.float32], drawn)


def below(draw: Words, count: int) -> NDArray[np.int32]:
    """Uniform whole numbers 0..count-1 from words."""
    return (draw.astype(np.uint64) * np.uint64(count) >> np.uint64(32)).astype(np.int32)


def gaussians(draw: Words) -> NDArray[np.float64]:
    """Four standard normal values from the four words of each row (Box-Muller)."""
    unit = (draw.astype(np.float64) + 0.5) / 2.0**32
    radius = np.sqrt(-2.0 * np.log(unit[:, ::2]))
    angle = 2.0 * np.pi * unit[:, 1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2).reshape(-1, 4)
