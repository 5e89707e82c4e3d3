"""A call of every operation on blocks of images, for what must hold for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from comparison import LANES, poisoned, poisoned_maps

CONV = {"stride": 1, "pad": 1, "groups": 2}
STRIDED = {"stride": 2, "pad": 0, "groups": 1}
POOL = {"size": 3, "stride": 2}
RESPONSE = {"n": 5, "k": 2.0, "alpha": 1e-2, "beta": 0.75}
PLACE = {"seed": 7, "step": 11, "layer": 5, "first_unit": 0, "first_image": 0}
IMAGES = 2 * LANES


class Given:
    """Where a call's arrays come from: random maps of IMAGES images, random weights, poisoned outputs.

    A subclass changes what all calls are given.
    """

    def __init__(self) -> None:
        self.rng = np.random.default_rng(1)

    def place(self, values: Any) -> Any:
        """The array that the engine is handed for `values`."""
        return values

    def place_maps(self, values: Any) -> Any:
        """The same for maps."""
        return self.place(values)

    def maps(self, maps: int, height: int = 1, width: int = 1) -> Any:
        shape = (IMAGES // LANES, maps, height, width, LANES)
        return self.place_maps(self.rng.standard_normal(shape, np.float32))

    def weights(self, *shape: int) -> Any:
        return self.place(self.rng.standard_normal(shape, np.float32))

    def out(self, maps: int, height: int = 1, width: int = 1) -> Any:
        return self.place_maps(poisoned_maps(IMAGES, maps, height, width))

    def sums(self, *shape: int) -> Any:
        return self.place(poisoned(*shape))


class Misaligned(Given):
    """Every array begins one element after a multiple of 64 bytes."""

    def place(self, values: Any) -> Any:
        step = values.itemsize
        room = np.empty(values.nbytes + 64 + step, np.uint8)
        first = -room.ctypes.data % 64 + step
        placed = room[first : first + values.nbytes].view(values.dtype).reshape(values.shape)
        placed[...] = values
        return placed


Call = Callable[[Any, Given], list[Any]]


def conv_forward(ops: Any, given: Given) -> list[Any]:
    y, strided = given.out(14, 7, 9), given.out(5, 3, 4)
    ops.conv_forward(given.maps(6, 7, 9), given.weights(14, 3, 3, 3), given.weights(14), y, **CONV)
    ops.conv_forward(given.maps(3, 7, 9), given.weights(5, 3, 3, 3), given.weights(5), strided, **STRIDED)
    return [y, strided]


def conv_backward_data(ops: Any, given: Given) -> list[Any]:
    dx = given.out(6, 7, 9)
    ops.conv_backward_data(given.maps(14, 7, 9), given.weights(14, 3, 3, 3), dx, **CONV)
    return [dx]


def conv_backward_weights(ops: Any, given: Given) -> list[Any]:
    dw, db = given.sums(14, 3, 3, 3), given.sums(14)
    ops.conv_backward_weights(given.maps(6, 7, 9), given.maps(14, 7, 9), dw, db, **CONV)
    return [dw, db]


def local_forward(ops: Any, given: Given) -> list[Any]:
    y = given.out(14, 5, 4)
    ops.local_forward(given.maps(6, 5, 4), given.weights(14, 5, 4, 3, 3, 3), given.weights(14, 5, 4), y, **CONV)
    return [y]


def local_backward_data(ops: Any, given: Given) -> list[Any]:
    dx = given.out(6, 5, 4)
    ops.local_backward_data(given.maps(14, 5, 4), given.weights(14, 5, 4, 3, 3, 3), dx, **CONV)
    return [dx]


def local_backward_weights(ops: Any, given: Given) -> list[Any]:
    dw, db = given.sums(14, 5, 4, 3, 3, 3), given.sums(14, 5, 4)
    ops.local_backward_weights(given.maps(6, 5, 4), given.maps(14, 5, 4), dw, db, **CONV)
    return [dw, db]


def fc_forward(ops: Any, given: Given) -> list[Any]:
    y = given.out(1030)
    ops.fc_forward(given.maps(9, 2, 2), given.weights(1030, 36), given.weights(1030), y)
    return [y]


def fc_backward_data(ops: Any, given: Given) -> list[Any]:
    dx = given.out(290, 2, 2)
    ops.fc_backward_data(given.maps(33), given.weights(33, 1160), dx)
    return [dx]


def fc_backward_weights(ops: Any, given: Given) -> list[Any]:
    dw, db = given.sums(1030, 36), given.sums(1030)
    ops.fc_backward_weights(given.maps(9, 2, 2), given.maps(1030), dw, db)
    return [dw, db]


def fc_backward_bias(ops: Any, given: Given) -> list[Any]:
    db = given.sums(33)
    ops.fc_backward_bias(given.maps(33), db)
    return [db]


def fc_descend(ops: Any, given: Given) -> list[Any]:
    w, v = given.weights(1030, 36), given.weights(1030, 36)
    ops.fc_descend(given.maps(9, 2, 2), given.maps(1030), w, v, rate=0.1, momentum=0.9, decay=0.01)
    return [w, v]


def max_pool_forward(ops: Any, given: Given) -> list[Any]:
    y = given.out(3, 4, 5)
    argmax = given.place(np.full(y.shape, 255, np.uint8))
    ops.max_pool_forward(given.maps(3, 8, 10), y, argmax, **POOL)
    return [y, argmax]


def max_pool_backward(ops: Any, given: Given) -> list[Any]:
    dx, dy = given.out(3, 8, 10), given.maps(3, 4, 5)
    argmax = given.place(given.rng.choice([0, 1, 3, 4], dy.shape).astype(np.uint8))
    ops.max_pool_backward(dy, argmax, dx, **POOL)
    return [dx]


def average_pool_forward(ops: Any, given: Given) -> list[Any]:
    y = given.out(3, 4, 5)
    ops.average_pool_forward(given.maps(3, 8, 10), y, **POOL)
    return [y]


def average_pool_backward(ops: Any, given: Given) -> list[Any]:
    dx = given.out(3, 8, 10)
    ops.average_pool_backward(given.maps(3, 4, 5), dx, **POOL)
    return [dx]


def lrn_forward(ops: Any, given: Given) -> list[Any]:
    y = given.out(8, 5, 7)
    ops.lrn_forward(given.maps(8, 5, 7), y, groups=2, **RESPONSE)
    return [y]


def lrn_backward(ops: Any, given: Given) -> list[Any]:
    dx = given.out(8, 5, 7)
    ops.lrn_backward(given.maps(8, 5, 7), given.maps(8, 5, 7), dx, groups=2, **RESPONSE)
    return [dx]


def lrn_max_pool_forward(ops: Any, given: Given) -> list[Any]:
    y = given.out(6, 4, 5)
    argmax = given.place(np.full(y.shape, 255, np.uint8))
    ops.lrn_max_pool_forward(given.maps(6, 8, 10), y, argmax, groups=2, **RESPONSE, **POOL)
    return [y, argmax]


def lrn_max_pool_backward(ops: Any, given: Given) -> list[Any]:
    dx, dy = given.out(6, 8, 10), given.maps(6, 4, 5)
    argmax = given.place(given.rng.choice([0, 1, 3, 4], dy.shape).astype(np.uint8))
    ops.lrn_max_pool_backward(given.maps(6, 8, 10), dy, argmax, dx, groups=2, **RESPONSE, **POOL, relu=False)
    return [dx]


def lrn_spatial_forward(ops: Any, given: Given) -> list[Any]:
    y = given.out(3, 6, 7)
    ops.lrn_spatial_forward(given.maps(3, 6, 7), y, **RESPONSE)
    return [y]


def lrn_spatial_backward(ops: Any, given: Given) -> list[Any]:
    dx = given.out(3, 6, 7)
    ops.lrn_spatial_backward(given.maps(3, 6, 7), given.maps(3, 6, 7), dx, **RESPONSE)
    return [dx]


def relu_forward(ops: Any, given: Given) -> list[Any]:
    y = given.out(3, 5, 5)
    ops.relu_forward(given.maps(3, 5, 5), y)
    return [y]


def relu_backward(ops: Any, given: Given) -> list[Any]:
    dx = given.out(3, 5, 5)
    ops.relu_backward(given.maps(3, 5, 5), given.maps(3, 5, 5), dx)
    return [dx]


def tanh_forward(ops: Any, given: Given) -> list[Any]:
    y = given.out(3, 5, 5)
    ops.tanh_forward(given.maps(3, 5, 5), y)
    return [y]


def tanh_backward(ops: Any, given: Given) -> list[Any]:
    dx = given.out(3, 5, 5)
    ops.tanh_backward(given.maps(3, 5, 5), given.maps(3, 5, 5), dx)
    return [dx]


def dropout(ops: Any, given: Given) -> list[Any]:
    y = given.out(37)
    ops.dropout(given.maps(37), y, rate=0.5, **PLACE)
    return [y]


def scale(ops: Any, given: Given) -> list[Any]:
    y = given.out(3, 5, 5)
    ops.scale(given.maps(3, 5, 5), y, factor=0.5)
    return [y]


def softmax_loss(ops: Any, given: Given) -> list[Any]:
    labels = given.place(given.rng.integers(10, size=IMAGES).astype(np.int32))
    probs, gradient, losses = given.out(10), given.out(10), given.place(np.full(IMAGES, np.nan))
    ops.softmax_loss(given.maps(10), labels, probs, gradient, losses, images=IMAGES, factor=0.5)
    return [probs, gradient, losses]


def sgd(ops: Any, given: Given) -> list[Any]:
    w, v, g = (given.weights(35, 1001) for _ in range(3))
    ops.sgd(w, v, g, rate=0.1, momentum=0.9, decay=0.01)
    return [w, v]


OF_IMAGES: list[Call] = [  # each image's result is its own
    conv_forward,
    conv_backward_data,
    local_forward,
    local_backward_data,
    fc_forward,
    fc_backward_data,
    max_pool_forward,
    max_pool_backward,
    average_pool_forward,
    average_pool_backward,
    lrn_forward,
    lrn_backward,
    lrn_max_pool_forward,
    lrn_max_pool_backward,
    lrn_spatial_forward,
    lrn_spatial_backward,
    relu_forward,
    relu_backward,
    tanh_forward,
    tanh_backward,
    dropout,
    scale,
    softmax_loss,
]
OVER_IMAGES: list[Call] = [  # sums
    conv_backward_weights,
    local_backward_weights,
    fc_backward_weights,
    fc_backward_bias,
    fc_descend,
]
CALLS: list[Call] = [*OF_IMAGES, *OVER_IMAGES, sgd]
