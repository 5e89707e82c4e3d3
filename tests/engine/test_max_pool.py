"""Max pooling (section 3.4) against float64 loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import references
from comparison import F32, close, finite_difference, pack, poisoned_maps, same_for_any_threads, unpack
from pooling import CASES, REFUSED, Case, problem


def forward(ops: Any, case: Case, x: F32) -> tuple[F32, Any]:
    y = poisoned_maps(case.images, case.maps, *case.sides())
    where = np.full(y.shape, 255, np.uint8)
    ops.max_pool_forward(pack(x), y, where, **case.shape())
    return y, where


def backward(ops: Any, case: Case, dy: F32, where: Any) -> F32:
    dx = poisoned_maps(case.images, case.maps, case.height, case.width)
    ops.max_pool_backward(pack(dy), where, dx, **case.shape())
    assert np.isfinite(dx).all()
    return dx


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_passes(ops: Any, case: Case) -> None:
    x, dy = problem(case)
    y, where = forward(ops, case, x)
    expected, places = references.max_pool(x.astype(np.float64), case.sides(), case.size, case.stride)
    assert np.array_equal(unpack(y, case.images), expected)
    assert np.array_equal(unpack(where, case.images), places)
    assert np.isfinite(y).all()
    gradient = references.max_pool_gradient(dy.astype(np.float64), places, x.shape[2:], case.size, case.stride)
    close(unpack(backward(ops, case, dy, where), case.images), gradient)


def test_of_equals_the_first(ops: Any) -> None:
    case = Case(16, 1, 5, 5, 3, 2, "floor")
    _, where = forward(ops, case, np.full((16, 1, 5, 5), -3, np.float32))
    assert not where.any()


def test_what_is_not_a_number_is_seen(ops: Any) -> None:
    case = Case(16, 1, 3, 3, 3, 1, "floor")
    for place in range(9):
        x = np.arange(9, dtype=np.float32)
        x[place] = np.nan
        y, _ = forward(ops, case, np.tile(x.reshape(1, 1, 3, 3), (16, 1, 1, 1)))
        assert np.isnan(y).all()


def test_slopes(engine: Any) -> None:
    """Finite differences, with steps that stay away from the maximum's kinks (values are 1/64 apart)."""
    case = CASES[2]
    x, dy = problem(case)

    def loss(x: F32) -> float:
        return float((unpack(forward(engine, case, x)[0], case.images).astype(np.float64) * dy).sum())

    dx = unpack(backward(engine, case, dy, forward(engine, case, x)[1]), case.images)
    finite_difference(loss, x, dx, np.random.default_rng(2), step=1 / 256, bound=1e-6)  # seen: 5e-8


def test_same_for_any_threads(engine: Any) -> None:
    case = CASES[2]
    x, dy = problem(case)

    def outputs(engine: Any) -> list[Any]:
        y, where = forward(engine, case, x)
        return [y, where, backward(engine, case, dy, where)]

    same_for_any_threads(engine, outputs)


@pytest.mark.parametrize(("x", "y", "size", "stride", "message"), REFUSED)
def test_shapes_that_do_not_fit(ops: Any, x: Any, y: Any, size: int, stride: int, message: str) -> None:
    a, b, where = np.zeros(x, np.float32), np.zeros(y, np.float32), np.zeros(y, np.uint8)
    with pytest.raises(ValueError, match=f"^max_pool_forward: .*{message}"):
        ops.max_pool_forward(a, b, where, size=size, stride=stride)
    with pytest.raises(ValueError, match=f"^max_pool_backward: .*{message}"):
        ops.max_pool_backward(b, where, a, size=size, stride=stride)


def test_positions_must_fit(ops: Any) -> None:
    x, y = np.zeros((1, 1, 17, 17, 16), np.float32), np.zeros((1, 1, 1, 1, 16), np.float32)
    with pytest.raises(ValueError, match="max_pool_forward: size 17"):
        ops.max_pool_forward(x, y, np.zeros(y.shape, np.uint8), size=17, stride=1)
    with pytest.raises(ValueError, match=r"max_pool_forward: argmax \(1, 1, 2, 1, 16\)"):
        ops.max_pool_forward(x, y, np.zeros((1, 1, 2, 1, 16), np.uint8), size=16, stride=2)
