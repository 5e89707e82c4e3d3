"""ReLU (section 3.1) against its definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from activations import SHAPES, Activation, numbers
from comparison import pack, unpack


@pytest.fixture
def relu(engine: Any) -> Activation:
    return Activation(engine, "relu")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_passes(relu: Activation, shape: tuple[int, ...]) -> None:
    x, dy = numbers(shape, 1), numbers(shape, 2)
    x.flat[0] = 0
    y = relu.forward(pack(x))
    dx = relu.backward(y, pack(dy))
    expected = np.array([v if v > 0 else 0.0 for v in x.ravel()]).reshape(shape)
    slopes = np.array([s if v > 0 else 0.0 for v, s in zip(x.ravel(), dy.ravel(), strict=True)]).reshape(shape)
    assert np.array_equal(unpack(y, len(x)), expected)
    assert np.array_equal(unpack(dx, len(x)), slopes)
    assert np.isfinite(y).all() and np.isfinite(dx).all()


def test_edges(relu: Activation) -> None:
    """Zero stays zero, infinity passes, and what is not a number is seen."""
    x = np.array([0, math.inf, -math.inf, math.nan], np.float32).reshape(4, 1, 1, 1)
    y = unpack(relu.forward(pack(x)), 4).ravel()
    assert np.array_equal(y, [0, math.inf, 0, math.nan], equal_nan=True)


def test_in_place(relu: Activation) -> None:
    relu.works_in_place()


def test_slopes(relu: Activation) -> None:
    relu.has_its_slopes()


def test_same_for_any_threads(relu: Activation) -> None:
    relu.is_the_same_for_any_threads()


def test_shapes_that_do_not_fit(relu: Activation) -> None:
    relu.refuses_other_shapes()
