"""One image in the plain form: against the plain loops on a block that holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparison import F32, close, pack, poisoned, poisoned_maps, same_for_any_threads, unpack

RESPONSE = {"n": 5, "k": 2.0, "alpha": 1e-2, "beta": 0.75}
SIDES = [(1, 1, 1), (5, 7, 9), (6, 16, 16), (96, 13, 15)]


def image(maps: int, height: int, width: int) -> F32:
    return np.random.default_rng(maps).standard_normal((1, maps, height, width), np.float32)


@pytest.mark.parametrize(
    ("maps", "side", "kernels", "size", "stride", "pad", "groups"),
    [
        (1, 1, 1, (1, 1), 1, 0, 1),
        (3, 23, 8, (11, 11), 4, 0, 1),
        (6, 27, 10, (5, 5), 1, 2, 2),
        (48, 13, 20, (3, 3), 1, 1, 2),
        (4, 9, 6, (4, 2), 3, 1, 1),
        (2, 5, 3, (7, 5), 1, 3, 1),
    ],
)
def test_convolution(
    one: Any,
    naive: Any,
    maps: int,
    side: int,
    kernels: int,
    size: tuple[int, int],
    stride: int,
    pad: int,
    groups: int,
) -> None:
    rng = np.random.default_rng(1)
    x = image(maps, side, side)
    w = rng.standard_normal((kernels, maps // groups, *size), np.float32)
    b = rng.standard_normal(kernels, np.float32)
    sides = [-(-(side + 2 * pad - taps) // stride) + 1 for taps in size]  # the ceiling: taps reach over the edge
    shape = {"stride": stride, "pad": pad, "groups": groups}
    expected = poisoned_maps(1, kernels, *sides)
    naive.conv_forward(pack(x), w, b, expected, **shape)

    def found(one: Any) -> list[F32]:
        y = poisoned(1, kernels, *sides)
        one.conv_forward(x, w, b, y, **shape)
        return [y]

    close(found(one)[0], unpack(expected, 1))
    same_for_any_threads(one, found)


@pytest.mark.parametrize(("size", "stride"), [(3, 2), (2, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize("sides", [(2, 3, 3), *SIDES[1:]], ids=str)
def test_pooling(one: Any, naive: Any, sides: tuple[int, int, int], size: int, stride: int) -> None:
    maps, height, width = sides
    x = image(*sides)
    x[0, 0, -1, -1] = np.nan  # a NaN is seen, not swallowed
    rows, columns = (min(-(-(side - size) // stride) + 1, -(-side // stride)) for side in (height, width))
    expected, places = poisoned_maps(1, maps, rows, columns), np.full((1, maps, rows, columns, 16), 99, np.uint8)
    naive.max_pool_forward(pack(x), expected, places, size=size, stride=stride)
    y, argmax = poisoned(1, maps, rows, columns), np.full((1, maps, rows, columns), 99, np.uint8)
    one.max_pool_forward(x, y, argmax, size=size, stride=stride)
    np.testing.assert_array_equal(y, unpack(expected, 1))
    np.testing.assert_array_equal(argmax, unpack(places, 1))

    x = np.nan_to_num(x)
    naive.average_pool_forward(pack(x), expected, size=size, stride=stride)
    y = poisoned(1, maps, rows, columns)
    one.average_pool_forward(x, y, size=size, stride=stride)
    close(y, unpack(expected, 1))


@pytest.mark.parametrize("sides", SIDES, ids=str)
def test_normalisation(one: Any, naive: Any, sides: tuple[int, int, int]) -> None:
    x = image(*sides)
    for name, more in (("lrn_forward", {"groups": 1 if sides[0] % 2 else 2}), ("lrn_spatial_forward", {})):
        expected, y = poisoned_maps(1, *sides), poisoned(*x.shape)
        getattr(naive, name)(pack(x), expected, **RESPONSE, **more)
        getattr(one, name)(x, y, **RESPONSE, **more)
        close(y, unpack(expected, 1))


@pytest.mark.parametrize("sides", SIDES, ids=str)
def test_pointwise(one: Any, sides: tuple[int, int, int]) -> None:
    x = image(*sides)
    y = poisoned(*x.shape)
    one.relu_forward(x, y)
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    one.tanh_forward(x, y)
    close(y, np.tanh(x.astype(np.float64)))
    one.scale(x, y, factor=0.5)
    np.testing.assert_array_equal(y, x * np.float32(0.5))


@pytest.mark.parametrize(("sides", "units"), [((1, 1, 1), 1), ((4, 3, 5), 130), ((300, 2, 2), 65)])
def test_fully_connected(one: Any, naive: Any, sides: tuple[int, int, int], units: int) -> None:
    rng = np.random.default_rng(2)
    x = image(*sides)
    w, b = rng.standard_normal((units, x.size), np.float32), rng.standard_normal(units, np.float32)
    expected, y = poisoned_maps(1, units), poisoned(1, units, 1, 1)
    naive.fc_forward(pack(x), w, b, expected)
    one.fc_forward(x, w, b, y)
    close(y, unpack(expected, 1))


def test_loss(one: Any) -> None:
    logits = image(10, 1, 1)
    labels, losses = np.array([3], np.int32), np.full(1, np.nan)
    probs, slopes = poisoned(*logits.shape), poisoned(*logits.shape)
    one.softmax_loss(logits, labels, probs, slopes, losses, images=1, factor=0.5)
    exact = np.exp(logits.astype(np.float64)) / np.exp(logits.astype(np.float64)).sum()
    close(probs, exact)
    close(losses, -np.log(exact[0, 3, 0]))
    exact[0, 3] -= 1
    close(slopes, 0.5 * exact)


def test_crop(engine: Any, one: Any) -> None:
    pixels = np.random.default_rng(3).integers(256, size=(9, 9, 3), dtype=np.uint8)
    view = (np.array([[2, 3]], np.int32), np.ones(1, np.uint8), np.zeros((1, 3), np.float32))
    for side in (9, 5):
        mean = np.random.default_rng(4).uniform(0, 255, (side, side, 3)).astype(np.float32)
        views, out = poisoned_maps(1, 3, 5, 5), poisoned(1, 3, 5, 5)
        engine.augment([pixels], mean, views, *view, divide=1.0)
        one.augment([pixels], mean, out, *view, divide=1.0)
        np.testing.assert_array_equal(out, unpack(views, 1))


def test_shapes_that_do_not_fit(one: Any) -> None:
    x = image(4, 5, 5)
    with pytest.raises(ValueError, match="scale: y"):
        one.scale(x, poisoned(1, 4, 5, 4), factor=1.0)
    with pytest.raises(ValueError, match="fc_forward: w"):
        one.fc_forward(x, poisoned(3, 99), poisoned(3), poisoned(1, 3, 1, 1))
    with pytest.raises(TypeError):  # a second image
        one.relu_forward(np.repeat(x, 2, 0), np.repeat(x, 2, 0))
