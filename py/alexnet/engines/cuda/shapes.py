"""The structures that kernels take by value, laid out as in the .cu files, and the checks of what fits what."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.engines.cuda.device import NUMBER, Array

INTEGER, REAL = np.int32, np.float32


def _structure(integers: str, reals: str = "") -> np.dtype[Any]:
    fields = [(name, INTEGER) for name in integers.split()] + [(name, REAL) for name in reals.split()]
    return np.dtype(fields)


CONV = _structure(
    "images source_maps source_height source_width target_maps target_height target_width size_y size_x stride pad"
)
PACK = _structure("groups rows outers taps padded_rows padded_depth group_stride row_stride outer_stride")
POOL = _structure("chunks height width out_height out_width size stride")
LRN = _structure("plane group n", "k alpha beta")
SPATIAL = _structure("chunks height width n", "k alpha beta")


def make(kind: np.dtype[Any], *values: float) -> NDArray[Any]:
    """A structure as a kernel's argument."""
    return np.array(values, dtype=kind)


def check(fits: bool, operation: str, why: str, *arrays: Array) -> None:
    """Raises ValueError naming the operation and the shapes where they do not fit."""
    if not fits:
        shapes = ", ".join(str(each.shape) for each in arrays)
        raise ValueError(f"{operation}: {why}, with the shapes {shapes}")


def check_same(operation: str, *arrays: Array) -> None:
    same = all(each.shape == arrays[0].shape for each in arrays)
    check(same, operation, "all must have one shape", *arrays)


def check_numbers(operation: str, *numbers: Array) -> None:
    """Numbers that may change in recorded work lie in the device's memory."""
    fits = all((each.shape, each.dtype) == ((), NUMBER) for each in numbers)
    check(fits, operation, "a number is one float64 in memory", *numbers)


def check_side(operation: str, source: int, target: int, size: int, stride: int, pad: int, *arrays: Array) -> None:
    """A side of the output is the floor or the ceiling of (source + 2 pad - size) / stride + 1."""
    reach = source + 2 * pad - size
    fits = size >= 1 and stride >= 1 and pad >= 0 and reach >= 0
    fits = fits and target in (reach // stride + 1, -(-reach // stride) + 1)
    check(fits, operation, f"a window of {size}, stride {stride}, pad {pad} does not lead there", *arrays)
