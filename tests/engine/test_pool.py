"""Max and average pooling (section 3.4) against float64 loops."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import references
from comparison import F32, close, finite_difference, pack, poisoned_maps, same_for_any_threads, unpack


class Case(NamedTuple):
    images: int
    maps: int
    height: int
    width: int
    size: int
    stride: int
    edge: str

    def sides(self) -> tuple[int, int]:
        up = self.stride - 1 if self.edge == "ceil" else 0
        return (self.height - self.size + up) // self.stride + 1, (self.width - self.size + up) // self.stride + 1

    def shape(self) -> dict[str, int]:
        return {"size": self.size, "stride": self.stride}


CASES = [
    Case(1, 1, 1, 1, 1, 1, "floor"),
    Case(15, 2, 13, 13, 3, 2, "floor"),
    Case(17, 3, 8, 9, 3, 2, "ceil"),
    Case(130, 1, 5, 4, 2, 2, "ceil"),
    Case(2, 2, 7, 11, 2, 3, "floor"),
    Case(3, 1, 2, 2, 3, 2, "ceil"),
    Case(1, 2, 9, 10, 5, 1, "floor"),
    Case(1, 1, 18, 18, 16, 2, "floor"),
]


def problem(case: Case) -> tuple[F32, F32]:
    """Values a step apart from each other, so that no maximum is near a tie, and slopes."""
    rng = np.random.default_rng(case.images + case.size)
    shape = (case.images, case.maps, case.height, case.width)
    x = rng.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32) / 64 - 1
    return x, rng.standard_normal((case.images, case.maps, *case.sides()), np.float32)


def max_forward(ops: Any, case: Case, x: F32) -> tuple[F32, Any]:
    y = poisoned_maps(case.images, case.maps, *case.sides())
    where = np.full(y.shape, 255, np.uint8)
    ops.max_pool_forward(pack(x), y, where, **case.shape())
    return y, where


@pytest.mark.parametrize("case", CASES, ids=str)
def test_max(ops: Any, case: Case) -> None:
    x, dy = problem(case)
    y, where = max_forward(ops, case, x)
    expected, places = references.max_pool(x.astype(np.float64), case.sides(), case.size, case.stride)
    assert np.array_equal(unpack(y, case.images), expected)
    assert np.array_equal(unpack(where, case.images), places)
    assert np.isfinite(y).all()

    dx = poisoned_maps(case.images, case.maps, case.height, case.width)
    ops.max_pool_backward(pack(dy), where, dx, **case.shape())
    assert np.isfinite(dx).all()
    gradient = references.max_pool_gradient(dy.astype(np.float64), places, x.shape[2:], case.size, case.stride)
    close(unpack(dx, case.images), gradient)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_average(ops: Any, case: Case) -> None:
    x, dy = problem(case)
    y = poisoned_maps(case.images, case.maps, *case.sides())
    ops.average_pool_forward(pack(x), y, **case.shape())
    assert np.isfinite(y).all()
    expected = references.average_pool(x.astype(np.float64), case.sides(), case.size, case.stride)
    close(unpack(y, case.images), expected)

    dx = poisoned_maps(case.images, case.maps, case.height, case.width)
    ops.average_pool_backward(pack(dy), dx, **case.shape())
    assert np.isfinite(dx).all()
    gradient = references.average_pool_gradient(dy.astype(np.float64), x.shape[2:], case.size, case.stride)
    close(unpack(dx, case.images), gradient)


def test_of_equals_the_first(ops: Any) -> None:
    case = Case(16, 1, 5, 5, 3, 2, "floor")
    _, where = max_forward(ops, case, np.full((16, 1, 5, 5), -3, np.float32))
    assert not where.any()


def test_what_is_not_a_number_is_seen(ops: Any) -> None:
    case = Case(16, 1, 3, 3, 3, 1, "floor")
    for place in range(9):
        x = np.arange(9, dtype=np.float32)
        x[place] = np.nan
        y, _ = max_forward(ops, case, np.tile(x.reshape(1, 1, 3, 3), (16, 1, 1, 1)))
        assert np.isnan(y).all()


@pytest.mark.parametrize("kind", ["max", "average"])
def test_slopes(engine: Any, kind: str) -> None:
    """Finite differences, with steps that stay away from the maximum's kinks (values are 1/64 apart)."""
    case = CASES[2]
    x, dy = problem(case)

    def loss(x: F32) -> float:
        if kind == "max":
            y, _ = max_forward(engine, case, x)
        else:
            y = poisoned_maps(case.images, case.maps, *case.sides())
            engine.average_pool_forward(pack(x), y, **case.shape())
        return float((unpack(y, case.images).astype(np.float64) * dy).sum())

    dx = poisoned_maps(case.images, case.maps, case.height, case.width)
    if kind == "max":
        engine.max_pool_backward(pack(dy), max_forward(engine, case, x)[1], dx, **case.shape())
    else:
        engine.average_pool_backward(pack(dy), dx, **case.shape())
    rng = np.random.default_rng(2)
    finite_difference(loss, x, unpack(dx, case.images), rng, step=1 / 256, bound=1e-3)


def test_same_for_any_threads(engine: Any) -> None:
    case = CASES[2]
    x, dy = problem(case)

    def outputs() -> list[Any]:
        y, where = max_forward(engine, case, x)
        dx, average = (poisoned_maps(case.images, case.maps, case.height, case.width) for _ in range(2))
        engine.max_pool_backward(pack(dy), where, dx, **case.shape())
        engine.average_pool_backward(pack(dy), average, **case.shape())
        return [y, where, dx, average]

    same_for_any_threads(engine, outputs)


@pytest.mark.parametrize(
    ("x", "y", "size", "stride", "message"),
    [
        ((1, 2, 8, 8, 16), (1, 2, 5, 4, 16), 3, 2, r"y \(1, 2, 5, 4, 16\)"),
        ((1, 2, 8, 8, 16), (1, 1, 3, 3, 16), 3, 2, r"y \(1, 1, 3, 3, 16\)"),
        ((1, 2, 8, 8, 16), (2, 2, 3, 3, 16), 3, 2, r"y \(2, 2, 3, 3, 16\)"),
        ((1, 2, 8, 8, 16), (1, 2, 3, 3, 16), 0, 2, "size 0"),
        ((1, 2, 8, 8, 16), (1, 2, 3, 3, 16), 3, 0, "stride 0"),
        ((1, 2, 1, 1, 16), (1, 2, 1, 1, 16), 3, 2, r"x \(1, 2, 1, 1, 16\)"),
        ((1, 1, 5, 5, 16), (1, 1, 3, 3, 16), 1, 3, "outside"),
    ],
)
def test_shapes_that_do_not_fit(ops: Any, x: Any, y: Any, size: int, stride: int, message: str) -> None:
    a, b, where = np.zeros(x, np.float32), np.zeros(y, np.float32), np.zeros(y, np.uint8)
    shape = {"size": size, "stride": stride}
    with pytest.raises(ValueError, match=f"^max_pool_forward: .*{message}"):
        ops.max_pool_forward(a, b, where, **shape)
    with pytest.raises(ValueError, match=f"^max_pool_backward: .*{message}"):
        ops.max_pool_backward(b, where, a, **shape)
    with pytest.raises(ValueError, match=f"^average_pool_forward: .*{message}"):
        ops.average_pool_forward(a, b, **shape)
    with pytest.raises(ValueError, match=f"^average_pool_backward: .*{message}"):
        ops.average_pool_backward(b, a, **shape)


def test_positions_must_fit(ops: Any) -> None:
    x, y = np.zeros((1, 1, 17, 17, 16), np.float32), np.zeros((1, 1, 1, 1, 16), np.float32)
    with pytest.raises(ValueError, match="max_pool_forward: size 17"):
        ops.max_pool_forward(x, y, np.zeros(y.shape, np.uint8), size=17, stride=1)
    with pytest.raises(ValueError, match=r"max_pool_forward: argmax \(1, 1, 2, 1, 16\)"):
        ops.max_pool_forward(x, y, np.zeros((1, 1, 2, 1, 16), np.uint8), size=16, stride=2)
