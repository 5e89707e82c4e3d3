"""Operations in one pass with a neighbour's, held to the operations that they join, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparison import F32, pack, poisoned, poisoned_maps

SHAPES = [  # maps, side, kernels, size, stride, pad, groups
    (3, 15, 7, 5, 2, 0, 1),
    (70, 9, 14, 3, 1, 1, 1),  # maps in several parts
    (12, 27, 26, 5, 1, 2, 2),
]


def drawn(*shape: int) -> F32:
    """Numbers of which one is none."""
    values = np.random.default_rng(len(shape)).standard_normal(shape, np.float32)
    values.flat[values.size // 2] = np.nan
    return values


def with_relu(ops: Any, y: F32, convolve: Any) -> None:
    """Asserts that convolve(y, relu=True) is convolve(y) and ReLU."""
    fused = y.copy()
    convolve(y)
    ops.relu_forward(y, y)
    convolve(fused, relu=True)
    assert np.array_equal(fused, y, equal_nan=True)
    assert (y == 0).any() and (y > 0).any() and np.isnan(y).any() and not np.isnan(y).all()


@pytest.mark.parametrize(("maps", "side", "kernels", "size", "stride", "pad", "groups"), SHAPES)
def test_convolution_with_relu(
    any_conv: Any, maps: int, side: int, kernels: int, size: int, stride: int, pad: int, groups: int
) -> None:
    x, w, b = pack(drawn(17, maps, side, side)), drawn(kernels, maps // groups, size, size), drawn(kernels)
    w, b = np.nan_to_num(w), np.nan_to_num(b)
    out, shape = (side + 2 * pad - size) // stride + 1, {"stride": stride, "pad": pad, "groups": groups}
    with_relu(
        any_conv,
        poisoned_maps(17, kernels, out, out),
        lambda y, **relu: any_conv.conv_forward(x, w, b, y, **shape, **relu),
    )


@pytest.mark.parametrize("images", [1, 17])
def test_fully_connected_with_relu(ops: Any, images: int) -> None:
    x, w, b = pack(drawn(images, 5, 2, 3)), np.nan_to_num(drawn(600, 30)), np.nan_to_num(drawn(600))
    x[..., 1:] = np.nan_to_num(x[..., 1:])
    x[0, 0, 0, 0, 1] = np.nan
    with_relu(ops, poisoned_maps(images, 600), lambda y, **relu: ops.fc_forward(x, w, b, y, **relu))


def test_one_image_with_relu(one: Any) -> None:
    x, w, b = drawn(1, 4, 9, 9), np.nan_to_num(drawn(6, 2, 3, 3)), np.nan_to_num(drawn(6))
    shape = {"stride": 2, "pad": 0, "groups": 2}
    with_relu(one, poisoned(1, 6, 4, 4), lambda y, **relu: one.conv_forward(x, w, b, y, **shape, **relu))
    x, w, b = np.nan_to_num(drawn(1, 4, 3, 3)), np.nan_to_num(drawn(99, 36)), drawn(99)
    with_relu(one, poisoned(1, 99, 1, 1), lambda y, **relu: one.fc_forward(x, w, b, y, **relu))
