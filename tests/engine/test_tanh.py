"""tanh (section 3.1) against float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from activations import SHAPES, Activation, numbers
from comparison import close, pack, unpack


@pytest.fixture
def tanh(engine: Any) -> Activation:
    return Activation(engine, "tanh")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_passes(tanh: Activation, shape: tuple[int, ...]) -> None:
    x, dy = numbers(shape, 3), numbers(shape, 4)
    y, dx = tanh.forward(pack(x)), tanh.backward(pack(np.tanh(x)), pack(dy))
    close(unpack(y, len(x)), np.array([math.tanh(v) for v in x.ravel()]).reshape(shape))
    slopes = [s * (1 - float(t) ** 2) for t, s in zip(np.tanh(x).ravel(), dy.ravel(), strict=True)]
    close(unpack(dx, len(x)), np.array(slopes).reshape(shape))


def test_every_size(tanh: Activation) -> None:
    """Each value to 1e-6 of itself, from tiny to beyond where it rounds to 1."""
    size = np.geomspace(1e-30, 100, 4096).astype(np.float32)
    x = np.concatenate([size, -size]).reshape(16, 512, 1, 1)
    y = tanh.forward(pack(x))
    expected = np.array([math.tanh(v) for v in x.ravel()]).reshape(x.shape)
    assert (np.abs(unpack(y, 16) - expected) <= 1e-6 * np.abs(expected)).all()


def test_edges(tanh: Activation) -> None:
    """Zero stays zero, infinities saturate, and what is not a number is seen."""
    x = np.array([0, math.inf, -math.inf, math.nan], np.float32).reshape(4, 1, 1, 1)
    y = unpack(tanh.forward(pack(x)), 4).ravel()
    assert np.array_equal(y, [0, 1, -1, math.nan], equal_nan=True)


def test_in_place(tanh: Activation) -> None:
    tanh.works_in_place()


def test_slopes(tanh: Activation) -> None:
    tanh.has_its_slopes()


def test_same_for_any_threads(tanh: Activation) -> None:
    tanh.is_the_same_for_any_threads()


def test_shapes_that_do_not_fit(tanh: Activation) -> None:
    tanh.refuses_other_shapes()
