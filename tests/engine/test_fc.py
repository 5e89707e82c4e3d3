"""Fully connected layers (section 3.5) against float64 loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import references
from comparison import F32, close, finite_difference, pack, poisoned, poisoned_maps, same_for_any_threads, unpack

SHAPES = [  # images, (maps, height, width), units
    (1, (1, 1, 1), 1),
    (15, (3, 2, 5), 7),
    (17, (5, 1, 1), 33),
    (130, (2, 3, 3), 10),
    (16, (40, 6, 6), 20),
]
MANY = (17, (5, 3, 3), 1100)  # units of more than one slice


def problem(images: int, shape: tuple[int, ...], units: int) -> tuple[F32, F32, F32, F32]:
    rng = np.random.default_rng(images)
    x = rng.standard_normal((images, *shape), np.float32)
    w = rng.standard_normal((units, int(np.prod(shape))), np.float32)
    return x, w, rng.standard_normal(units, np.float32), rng.standard_normal((images, units), np.float32)


def forward(ops: Any, x: F32, w: F32, b: F32) -> F32:
    y = poisoned_maps(len(x), len(w))
    ops.fc_forward(pack(x), w, b, y)
    assert np.isfinite(y).all()
    return unpack(y, len(x))[:, :, 0, 0]


def backward(ops: Any, x: F32, w: F32, dy: F32) -> tuple[F32, F32, F32]:
    dx, dw, db = poisoned_maps(*x.shape), poisoned(*w.shape), poisoned(len(w))
    slopes = pack(dy[:, :, None, None])
    ops.fc_backward_data(slopes, w, dx)
    ops.fc_backward_weights(pack(x), slopes, dw, db)
    assert np.isfinite(dx).all()
    return unpack(dx, len(x)), dw, db


@pytest.mark.parametrize(("images", "shape", "units"), [*SHAPES, MANY])
def test_both_passes(ops: Any, images: int, shape: tuple[int, ...], units: int) -> None:
    x, w, b, dy = problem(images, shape, units)
    exact = [a.astype(np.float64) for a in (x, w, b, dy)]
    close(forward(ops, x, w, b), references.fc(*exact[:3]))
    for got, expected in zip(
        backward(ops, x, w, dy), references.fc_gradients(exact[0], exact[1], exact[3]), strict=True
    ):
        close(got, expected)


@pytest.mark.parametrize(("images", "shape", "units"), [MANY, (16, (2100, 1, 1), 1003)])
def test_same_for_any_threads(engine: Any, images: int, shape: tuple[int, ...], units: int) -> None:
    """Where slices are cut by the number of threads, and where they would be too small for that."""
    x, w, b, dy = problem(images, shape, units)
    same_for_any_threads(engine, lambda ops: [forward(ops, x, w, b), *backward(ops, x, w, dy)])


def test_slopes(engine: Any) -> None:
    x, w, b, dy = problem(*SHAPES[1])
    dx, dw, db = backward(engine, x, w, dy)

    def loss(x: F32, w: F32, b: F32) -> float:
        return float((forward(engine, x, w, b).astype(np.float64) * dy).sum())

    rng = np.random.default_rng(1)
    finite_difference(lambda x: loss(x, w, b), x, dx, rng, step=1, bound=1e-4)
    finite_difference(lambda w: loss(x, w, b), w, dw, rng, step=1, bound=1e-4)
    finite_difference(lambda b: loss(x, w, b), b, db, rng, step=1, bound=1e-4)


@pytest.mark.parametrize(("images", "shape", "units"), [*SHAPES, MANY])
def test_descent_is_the_gradient_and_its_update(engine: Any, images: int, shape: tuple[int, ...], units: int) -> None:
    """Against float64 loops, and against the two operations that it joins, bit for bit."""
    x, w, v, dy = problem(images, shape, units)
    v = np.random.default_rng(1).standard_normal(w.shape, np.float32)
    weight, momentum, rates = w.copy(), v.copy(), {"rate": 0.25, "momentum": 0.9, "decay": 0.0625}
    slopes, db = pack(dy[:, :, None, None]), poisoned(units)
    engine.fc_descend(pack(x), slopes, weight, momentum, **rates)
    engine.fc_backward_bias(slopes, db)
    exact = [a.astype(np.float64) for a in (x, w, dy)]
    gradient, bias = references.fc_gradients(*exact)[1:]
    moved = 0.9 * v.astype(np.float64) - 0.0625 * 0.25 * exact[1] - 0.25 * gradient
    close(momentum, moved)
    close(weight, exact[1] + moved)
    close(db, bias)
    dw, sums = poisoned(*w.shape), poisoned(units)
    engine.fc_backward_weights(pack(x), slopes, dw, sums)
    engine.sgd(w, v, dw, **rates)
    assert np.array_equal(weight, w) and np.array_equal(momentum, v) and np.array_equal(db, sums)


def test_descent_of_shapes_that_do_not_fit(engine: Any) -> None:
    x, dy = np.zeros((1, 2, 3, 3, 16), np.float32), np.zeros((1, 4, 1, 1, 16), np.float32)
    w, other = np.zeros((4, 18), np.float32), np.zeros((4, 17), np.float32)
    rates = {"rate": 0.1, "momentum": 0.9, "decay": 0.0}
    with pytest.raises(ValueError, match=r"^fc_descend: w \(4, 17\)"):
        engine.fc_descend(x, dy, other, other.copy(), **rates)
    with pytest.raises(ValueError, match=r"^fc_descend: v \(4, 17\) is not like w \(4, 18\)"):
        engine.fc_descend(x, dy, w, other, **rates)
    with pytest.raises(ValueError, match=r"^fc_backward_bias: db \(1, 5\) does not fit"):
        engine.fc_backward_bias(dy, np.zeros(5, np.float32))


@pytest.mark.parametrize(
    ("x", "w", "b", "y"),
    [
        ((1, 2, 3, 3, 16), (4, 17), (4,), (1, 4, 1, 1, 16)),
        ((1, 2, 3, 3, 16), (5, 18), (4,), (1, 4, 1, 1, 16)),
        ((1, 2, 3, 3, 16), (4, 18), (5,), (1, 4, 1, 1, 16)),
        ((1, 2, 3, 3, 16), (4, 18), (4,), (2, 4, 1, 1, 16)),
        ((1, 2, 3, 3, 16), (4, 18), (4,), (1, 4, 2, 1, 16)),
    ],
)
def test_shapes_that_do_not_fit(ops: Any, x: Any, w: Any, b: Any, y: Any) -> None:
    arrays = {name: np.zeros(shape, np.float32) for name, shape in {"x": x, "w": w, "b": b, "y": y}.items()}
    with pytest.raises(ValueError, match=r"^fc_forward: .*\(\d"):
        ops.fc_forward(arrays["x"], arrays["w"], arrays["b"], arrays["y"])
    with pytest.raises(ValueError, match=r"^fc_backward_weights: .*\(\d"):
        ops.fc_backward_weights(arrays["x"], arrays["y"], arrays["w"], arrays["b"])
    if b == (4,):
        with pytest.raises(ValueError, match=r"^fc_backward_data: .*\(\d"):
            ops.fc_backward_data(arrays["y"], arrays["w"], arrays["x"])
