"""What the elements of maps are: float32, or bf16, the upper half of a float32's bits, for which NumPy has no type."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import Floats, Precision

FLOAT = np.dtype(np.float32)
BF16 = np.dtype(np.uint16)  # a bf16's bits; no other maps have this type


def map_type(precision: Precision) -> np.dtype[Any]:
    """What a map's elements are."""
    return BF16 if precision == "bf16" else FLOAT


def from_bf16(bits: NDArray[Any]) -> Floats:
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def to_bf16(values: NDArray[Any]) -> NDArray[np.uint16]:
    """Rounded to the nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    return (np.where(np.isnan(values), bits | np.uint32(0x400000), rounded) >> np.uint32(16)).astype(np.uint16)


def as_host(values: NDArray[Any]) -> NDArray[Any]:
    """Values as NumPy computes with them: bf16 become float32."""
    return from_bf16(values) if values.dtype == BF16 else values


def as_maps(values: Floats, kind: np.dtype[Any]) -> NDArray[Any]:
    """float32 as the elements of maps: rounded where those are bf16."""
    return to_bf16(values) if kind == BF16 else values
