"""What the tests of all operations share: the engine's layout, and how numbers are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Bits = NDArray[np.uint16]  # of bf16
LANES = 16


def same_for_any_threads(ops: Any, outputs: Any) -> None:
    """Asserts that outputs(ops) (a list of arrays) is the same, bit for bit, for 1, 2 and 5 threads."""
    results = []
    for threads in (1, 2, 5):
        results.append([np.asarray(a).tobytes() for a in outputs(type(ops)(threads=threads))])
    assert results[0] == results[1] == results[2]


def pack(x: NDArray[Any]) -> F32:
    """(images, maps, height, width) in the engine's layout, zeros in the lanes beyond the last image."""
    blocks = -(-len(x) // LANES)
    padded = np.zeros((blocks * LANES, *x.shape[1:]), x.dtype)
    padded[: len(x)] = x
    lanes_last = np.moveaxis(padded.reshape(blocks, LANES, *x.shape[1:]), 1, -1)
    return np.ascontiguousarray(lanes_last, dtype=np.uint8 if x.dtype == np.uint8 else np.float32)


def unpack(maps: NDArray[Any], images: int) -> NDArray[Any]:
    """The first images of an array in the engine's layout, in the plain form."""
    plain = np.moveaxis(maps, -1, 1)
    return plain.reshape(-1, *plain.shape[2:])[:images]


def poisoned(*shape: int) -> F32:
    """An output that shows what was not written."""
    return np.full(shape, np.nan, np.float32)


def poisoned_maps(images: int, maps: int, height: int = 1, width: int = 1) -> F32:
    return poisoned(-(-images // LANES), maps, height, width, LANES)


def to_bf16(values: F32) -> Bits:
    """The nearest, ties to even; not a number where the value is none."""
    bits = values.view(np.uint32)
    up = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    return (np.where(np.isnan(values), 0x7FC00000, up) >> np.uint32(16)).astype(np.uint16)


def from_bf16(bits: Bits) -> F32:
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def close(got: NDArray[Any], expected: NDArray[Any], bound: float = 1e-5) -> None:
    """Asserts that the error is at most `bound`, relative: as a whole (Euclidean norms), and in every element
    against the largest element expected."""
    assert got.shape == expected.shape
    error = np.abs(got.astype(np.float64) - expected)
    assert np.isfinite(got).all(), "not finite"
    assert np.linalg.norm(error) <= bound * np.linalg.norm(expected)
    assert error.max() <= bound * np.abs(expected).max()


def close_rounded(got: Bits, expected: NDArray[Any], bound: float = 1e-5) -> None:
    """Asserts that each is the nearest bf16 of a number that is off by at most `bound` times the largest expected."""
    off = bound * np.abs(expected).max()
    low, high = (from_bf16(to_bf16((expected + each).astype(np.float32))) for each in (-off, off))
    values = from_bf16(got)
    assert got.shape == expected.shape
    assert ((low <= values) & (values <= high)).all()


def close_each(got: NDArray[Any], expected: NDArray[Any], size: NDArray[Any], bound: float) -> None:
    """Asserts that each element's error is at most `bound` times its own `size`, the sum of its terms' sizes."""
    assert got.shape == expected.shape
    assert (np.abs(got.astype(np.float64) - expected) <= bound * size).all()


def finite_difference(f: Any, x: F32, gradient: F32, rng: np.random.Generator, step: float, bound: float) -> None:
    """Asserts that sum(gradient * d) is the slope of f (a float64 scalar of a float32 array) along random
    directions d, within `bound` of the gradient's length. Kinks must lie further than 3 steps away."""
    for _ in range(4):
        direction = rng.choice([-1.0, 1.0], x.shape)
        up, down = (x + step * direction).astype(np.float32), (x - step * direction).astype(np.float32)
        slope = (f(up) - f(down)) / (2 * step)
        expected = float((gradient.astype(np.float64) * direction).sum())
        assert abs(slope - expected) <= bound * np.linalg.norm(gradient.astype(np.float64))
