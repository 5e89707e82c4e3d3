"""The structures that kernels take by value, laid out as in the .cu files, and the checks of what fits what."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.engines.cuda.device import NUMBER, Array
from alexnet.engines.maps import FLOAT, map_type

INTEGER, REAL = np.int32, np.float32
PLACE = np.dtype(np.uint8)


def _structure(integers: str, reals: str = "") -> np.dtype[Any]:
    fields = [(name, INTEGER) for name in integers.split()] + [(name, REAL) for name in reals.split()]
    return np.dtype(fields)


CONV = _structure(
    "images source_maps source_height source_width target_maps target_height target_width size_y size_x stride pad"
)
PACK = _structure("groups rows maps taps tile_rows tiles steps group_stride row_stride map_stride")
POOL = _structure("chunks height width out_height out_width size stride")
LRN = _structure("plane group n relu", "k alpha beta")
SPATIAL = _structure("chunks height width n", "k alpha beta")


def make(kind: np.dtype[Any], *values: float) -> NDArray[Any]:
    """A structure as a kernel's argument."""
    return np.array(values, dtype=kind)


def check(fits: bool, operation: str, why: str, *arrays: Array) -> None:
    """Raises ValueError naming the operation and the shapes where they do not fit."""
    if not fits:
        shapes = ", ".join(str(each.shape) for each in arrays)
        raise ValueError(f"{operation}: {why}, with the shapes {shapes}")


def check_kind(operation: str, kind: np.dtype[Any], *arrays: Array) -> None:
    """Raises TypeError where an array's elements are not what the kernel takes them for."""
    for each in arrays:
        if each.dtype != kind:
            raise TypeError(f"{operation}: elements of {each.dtype}, where {kind} is needed")


def check_same(operation: str, *arrays: Array) -> None:
    same = all(each.shape == arrays[0].shape for each in arrays)
    check(same, operation, "all must have one shape", *arrays)


def check_maps(operation: str, *arrays: Array) -> None:
    """Maps of one shape."""
    check_kind(operation, map_type(arrays[0].device.precision), *arrays)
    check_same(operation, *arrays)


def check_places(operation: str, y: Array, argmax: Array, size: int) -> None:
    check_kind(operation, PLACE, argmax)
    check_same(operation, y, argmax)
    check(size <= 16, operation, f"places in a window of {size} do not fit a byte", y)


def check_response(operation: str, arrays: Sequence[Array], n: int, k: float, alpha: float) -> None:
    check_maps(operation, *arrays)
    check(n >= 1 and k > 0 and alpha >= 0, operation, f"n {n}, k {k} or alpha {alpha} is out of range", *arrays)


def check_bias(operation: str, w: Array, b: Array) -> None:
    check_kind(operation, FLOAT, b)
    check(b.shape == w.shape[:1], operation, "as many biases as rows", w, b)


def check_numbers(operation: str, *numbers: Array) -> None:
    """Numbers that may change in recorded work lie in the device's memory."""
    fits = all((each.shape, each.dtype) == ((), NUMBER) for each in numbers)
    check(fits, operation, "a number is one float64 in memory", *numbers)


def check_side(operation: str, source: int, target: int, size: int, stride: int, pad: int, *arrays: Array) -> None:
    """A side of the output is the floor or the ceiling of (source + 2 pad - size) / stride + 1, and at least 1."""
    reach = source + 2 * pad - size
    fits = min(source, target, size, stride) >= 1 and pad >= 0
    fits = fits and target in (reach // stride + 1, -(-reach // stride) + 1)
    check(fits, operation, f"a window of {size}, stride {stride}, pad {pad} does not lead there", *arrays)
