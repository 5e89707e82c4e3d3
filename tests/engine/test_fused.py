"""Operations in one pass with a neighbour's, held to the operations that they join, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparison import F32, pack, poisoned, poisoned_maps, same_for_any_threads

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


RESPONSE = {"n": 5, "k": 2.0, "alpha": 0.5, "beta": 0.75}
POOLED = [  # images, maps, height, width, groups, size, stride, response
    (1, 1, 1, 1, 1, 1, 1, RESPONSE),
    (17, 6, 9, 11, 2, 3, 2, RESPONSE),
    (2, 7, 5, 70, 1, 3, 2, RESPONSE),  # bands of a few rows
    (15, 4, 8, 8, 1, 3, 2, {"n": 3, "k": 1.0, "alpha": 0.3, "beta": 0.6}),  # windows over the edge
    (3, 5, 7, 6, 5, 2, 3, RESPONSE),  # pixels in no window
]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("images", "maps", "height", "width", "groups", "size", "stride", "response"), POOLED)
def test_responses_and_their_maxima(
    engine: Any,
    images: int,
    maps: int,
    height: int,
    width: int,
    groups: int,
    size: int,
    stride: int,
    response: dict[str, Any],
    relu: bool,
) -> None:
    x = pack(np.random.default_rng(1).standard_normal((images, maps, height, width), np.float32))
    rows, columns = (min(-(-(side - size) // stride) + 1, -(-side // stride)) for side in (height, width))
    shape = images, maps, rows, columns
    dy = pack(np.random.default_rng(2).standard_normal(shape, np.float32))
    normalisation, pooling = {"groups": groups, **response}, {"size": size, "stride": stride}
    responses, y, dr, dx = (
        poisoned_maps(images, *sides) for sides in (x.shape[1:4], shape[1:], x.shape[1:4], x.shape[1:4])
    )
    argmax = np.full(y.shape, 99, np.uint8)
    engine.lrn_forward(x, responses, **normalisation)
    engine.max_pool_forward(responses, y, argmax, **pooling)
    engine.max_pool_backward(dy, argmax, dr, **pooling)
    engine.lrn_backward(x, dr, dx, **normalisation)
    if relu:
        engine.relu_backward(x, dx, dx)

    def fused(engine: Any) -> list[Any]:
        outputs = poisoned_maps(*shape), np.full(y.shape, 98, np.uint8), poisoned_maps(images, *x.shape[1:4])
        engine.lrn_max_pool_forward(x, *outputs[:2], **normalisation, **pooling)
        engine.lrn_max_pool_backward(x, dy, argmax, outputs[2], **normalisation, **pooling, relu=relu)
        return list(outputs)

    assert all(np.array_equal(*each) for each in zip(fused(engine), (y, argmax, dx), strict=True))
    same_for_any_threads(engine, fused)


def test_responses_and_maxima_of_shapes_that_do_not_fit(engine: Any) -> None:
    x, y = np.zeros((1, 4, 5, 5, 16), np.float32), np.zeros((1, 4, 2, 2, 16), np.float32)
    argmax, given = np.zeros(y.shape, np.uint8), {"groups": 1, **RESPONSE, "size": 3, "stride": 2}
    with pytest.raises(ValueError, match=r"^lrn_max_pool_forward: x \(1, 4, 5, 5, 16\) .* 3 groups"):
        engine.lrn_max_pool_forward(x, y, argmax, **(given | {"groups": 3}))
    with pytest.raises(ValueError, match=r"^lrn_max_pool_forward: argmax \(1, 4, 2, 1, 16\)"):
        engine.lrn_max_pool_forward(x, y, argmax[:, :, :, :1].copy(), **given)
    with pytest.raises(ValueError, match=r"^lrn_max_pool_backward: dx \(1, 4, 2, 2, 16\) is not like x"):
        engine.lrn_max_pool_backward(x, y, argmax, y.copy(), **given, relu=True)
