"""Fully connected layers (section 3.5) against float64 loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import references
from comparison import F32, close, finite_difference, pack, poisoned, poisoned_maps, unpack

SHAPES = [  # images, (maps, height, width), units
    (1, (1, 1, 1), 1),
    (15, (3, 2, 5), 7),
    (17, (5, 1, 1), 33),
    (130, (2, 3, 3), 10),
    (16, (40, 6, 6), 20),
]


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


@pytest.mark.parametrize(("images", "shape", "units"), SHAPES)
def test_both_passes(ops: Any, images: int, shape: tuple[int, ...], units: int) -> None:
    x, w, b, dy = problem(images, shape, units)
    exact = [a.astype(np.float64) for a in (x, w, b, dy)]
    close(forward(ops, x, w, b), references.fc(*exact[:3]))
    for got, expected in zip(
        backward(ops, x, w, dy), references.fc_gradients(exact[0], exact[1], exact[3]), strict=True
    ):
        close(got, expected)


def test_slopes(engine: Any) -> None:
    x, w, b, dy = problem(*SHAPES[1])
    dx, dw, db = backward(engine, x, w, dy)

    def loss(x: F32, w: F32, b: F32) -> float:
        return float((forward(engine, x, w, b).astype(np.float64) * dy).sum())

    rng = np.random.default_rng(1)
    finite_difference(lambda x: loss(x, w, b), x, dx, rng, step=1, bound=1e-4)
    finite_difference(lambda w: loss(x, w, b), w, dw, rng, step=1, bound=1e-4)
    finite_difference(lambda b: loss(x, w, b), b, db, rng, step=1, bound=1e-4)


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
