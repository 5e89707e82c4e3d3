"""Average pooling (section 3.4) against float64 loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import references
from comparison import F32, close, finite_difference, pack, poisoned_maps, same_for_any_threads, unpack
from pooling import CASES, REFUSED, Case, problem


def forward(ops: Any, case: Case, x: F32) -> F32:
    y = poisoned_maps(case.images, case.maps, *case.sides())
    ops.average_pool_forward(pack(x), y, **case.shape())
    assert np.isfinite(y).all()
    return y


def backward(ops: Any, case: Case, dy: F32) -> F32:
    dx = poisoned_maps(case.images, case.maps, case.height, case.width)
    ops.average_pool_backward(pack(dy), dx, **case.shape())
    assert np.isfinite(dx).all()
    return dx


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_passes(ops: Any, case: Case) -> None:
    x, dy = problem(case)
    expected = references.average_pool(x.astype(np.float64), case.sides(), case.size, case.stride)
    close(unpack(forward(ops, case, x), case.images), expected)
    gradient = references.average_pool_gradient(dy.astype(np.float64), x.shape[2:], case.size, case.stride)
    close(unpack(backward(ops, case, dy), case.images), gradient)


def test_slopes(engine: Any) -> None:
    case = CASES[2]
    x, dy = problem(case)

    def loss(x: F32) -> float:
        return float((unpack(forward(engine, case, x), case.images).astype(np.float64) * dy).sum())

    dx = unpack(backward(engine, case, dy), case.images)
    finite_difference(loss, x, dx, np.random.default_rng(2), step=1, bound=1e-5)  # it is linear: rounding only


def test_same_for_any_threads(engine: Any) -> None:
    case = CASES[2]
    x, dy = problem(case)
    same_for_any_threads(engine, lambda engine: [forward(engine, case, x), backward(engine, case, dy)])


@pytest.mark.parametrize(("x", "y", "size", "stride", "message"), REFUSED)
def test_shapes_that_do_not_fit(ops: Any, x: Any, y: Any, size: int, stride: int, message: str) -> None:
    a, b = np.zeros(x, np.float32), np.zeros(y, np.float32)
    with pytest.raises(ValueError, match=f"^average_pool_forward: .*{message}"):
        ops.average_pool_forward(a, b, size=size, stride=stride)
    with pytest.raises(ValueError, match=f"^average_pool_backward: .*{message}"):
        ops.average_pool_backward(b, a, size=size, stride=stride)
