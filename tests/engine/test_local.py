"""Locally connected layers against float64 loops."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import references
from comparison import F32, close, finite_difference, pack, poisoned, poisoned_maps, same_for_any_threads, unpack
from moved import Case, Problem


def banks(case: Case) -> tuple[int, ...]:
    """The weights' shape: a bank of kernels for each place."""
    return (case.kernels, *case.sides(), case.maps // case.groups, *case.size)


CASES = [
    Case(1, 1, 1, 1, 1, (1, 1), 1, 0, 1),
    Case(1, 1, 5, 4, 1, (3, 3), 1, 1, 1),
    Case(15, 3, 5, 3, 7, (3, 3), 1, 1, 1),
    Case(17, 6, 4, 5, 10, (3, 3), 1, 1, 2),
    Case(130, 2, 4, 3, 3, (3, 3), 1, 1, 1),
    Case(16, 6, 7, 8, 6, (3, 3), 2, 1, 3),
    Case(3, 2, 8, 9, 4, (3, 2), 3, 2, 1, "ceil"),
    Case(33, 5, 3, 3, 13, (2, 2), 1, 3, 1),
    Case(2, 9, 6, 2, 25, (4, 1), 1, 0, 1),
    Case(18, 4, 2, 2, 14, (2, 2), 2, 0, 2),
]


@cache
def problem(case: Case) -> Problem:
    rng = np.random.default_rng(sum(case.size) + case.images)
    x = rng.standard_normal((case.images, case.maps, case.height, case.width), np.float32)
    w = rng.standard_normal(banks(case), np.float32)
    b = rng.standard_normal(banks(case)[:3], np.float32)
    dy = rng.standard_normal((case.images, case.kernels, *case.sides()), np.float32)
    y = references.local(x, w, b, **case.shape())
    return Problem(x, w, b, dy, y, *references.local_gradients(x, w, dy, **case.shape()))


def forward(ops: Any, case: Case, x: F32, w: F32, b: F32) -> F32:
    y = poisoned_maps(case.images, case.kernels, *case.sides())
    ops.local_forward(pack(x), w, b, y, **case.shape())
    assert np.isfinite(y).all()
    return y


def gradients(ops: Any, case: Case, x: F32, w: F32, dy: F32) -> tuple[F32, F32, F32]:
    dx = poisoned_maps(case.images, case.maps, case.height, case.width)
    dw, db = poisoned(*w.shape), poisoned(*w.shape[:3])
    ops.local_backward_data(pack(dy), w, dx, **case.shape())
    ops.local_backward_weights(pack(x), pack(dy), dw, db, **case.shape())
    assert np.isfinite(dx).all()
    return dx, dw, db


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(ops: Any, case: Case) -> None:
    p = problem(case)
    close(unpack(forward(ops, case, p.x, p.w, p.b), case.images), p.y)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients(ops: Any, case: Case) -> None:
    p = problem(case)
    dx, dw, db = gradients(ops, case, p.x, p.w, p.dy)
    close(unpack(dx, case.images), p.dx)
    close(dw, p.dw)
    close(db, p.db)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_image(one: Any, case: Case) -> None:
    p = problem(case)
    y = poisoned(1, *p.y.shape[1:])
    one.local_forward(p.x[:1], p.w, p.b, y, **case.shape())
    close(y, p.y[:1])


def test_the_layer_of_the_papers_net(engine: Any, naive: Any) -> None:
    """Sums over 576 taps, 64 kernels and 32 images against the plain loops."""
    case = Case(32, 64, 6, 6, 64, (3, 3), 1, 1, 1)
    rng = np.random.default_rng(2)
    x, dy = (rng.standard_normal((32, 64, 6, 6), np.float32) for _ in range(2))
    w, b = rng.standard_normal(banks(case), np.float32), rng.standard_normal((64, 6, 6), np.float32)
    close(forward(engine, case, x, w, b), forward(naive, case, x, w, b).astype(np.float64))
    for got, wanted in zip(gradients(engine, case, x, w, dy), gradients(naive, case, x, w, dy), strict=True):
        close(got, wanted.astype(np.float64))


def test_places_share_nothing(engine: Any) -> None:
    """A change of one place's bank changes that place of the output alone; equal banks are a convolution."""
    case = CASES[3]
    p = problem(case)
    before = unpack(forward(engine, case, p.x, p.w, p.b), case.images)
    w, b = p.w.copy(), p.b.copy()
    w[:, 1, 2] += 1
    b[:, 3, 0] += 1
    differs = unpack(forward(engine, case, p.x, w, b), case.images) != before
    assert differs[:, :, 1, 2].all() and differs[:, :, 3, 0].all()
    differs[:, :, 1, 2] = differs[:, :, 3, 0] = False
    assert not differs.any()
    w[...], b[...] = w[:, :1, :1], b[:, :1, :1]
    y = poisoned_maps(case.images, case.kernels, *case.sides())
    engine.conv_forward(
        pack(p.x), np.ascontiguousarray(w[:, 0, 0]), np.ascontiguousarray(b[:, 0, 0]), y, **case.shape()
    )
    close(forward(engine, case, p.x, w, b), y.astype(np.float64))


def test_gradients_are_slopes(engine: Any) -> None:
    case = CASES[5]
    p = problem(case)

    def loss(x: F32, w: F32) -> float:
        return float((unpack(forward(engine, case, x, w, p.b), case.images).astype(np.float64) * p.dy).sum())

    dx, dw, _ = gradients(engine, case, p.x, p.w, p.dy)
    rng = np.random.default_rng(1)
    finite_difference(lambda x: loss(x, p.w), p.x, unpack(dx, case.images), rng, step=1, bound=1e-4)
    finite_difference(lambda w: loss(p.x, w), p.w, dw, rng, step=1, bound=1e-4)


@pytest.mark.parametrize("case", [CASES[3], CASES[4], CASES[6]], ids=str)
def test_same_for_any_threads(engine: Any, case: Case) -> None:
    p = problem(case)

    def outputs(engine: Any) -> list[F32]:
        return [forward(engine, case, p.x, p.w, p.b), *gradients(engine, case, p.x, p.w, p.dy)]

    same_for_any_threads(engine, outputs)


@pytest.mark.parametrize("case", [CASES[3], CASES[4], CASES[6]], ids=str)
def test_one_image_is_the_same_for_any_threads(one: Any, case: Case) -> None:
    p = problem(case)

    def outputs(one: Any) -> list[F32]:
        y = poisoned(1, *p.y.shape[1:])
        one.local_forward(p.x[:1], p.w, p.b, y, **case.shape())
        return [y]

    same_for_any_threads(one, outputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w": (4, 6, 6, 3, 3, 3)}, r"x \(1, 4, 6, 6, 16\)"),
        ({"w": (4, 5, 6, 4, 3, 3)}, "kernels for 5 x 6 places"),
        ({"w": (4, 6, 7, 4, 3, 3)}, "kernels for 6 x 7 places"),
        ({"groups": 2}, "groups 2"),
        ({"groups": 0}, "groups 0"),
        ({"stride": 0}, "stride 0"),
        ({"b": (4, 6, 5)}, r"b \(4, 6, 5\)"),
        ({"b": (3, 6, 6)}, r"b \(3, 6, 6\)"),
        ({"y": (1, 4, 6, 7, 16)}, r"y \(1, 4, 6, 7, 16\)"),
        ({"y": (2, 4, 6, 6, 16)}, r"y \(2, 4, 6, 6, 16\)"),
        ({"y": (1, 3, 6, 6, 16)}, r"y \(1, 3, 6, 6, 16\)"),
    ],
)
def test_shapes_that_do_not_fit(ops: Any, changes: dict[str, Any], message: str) -> None:
    shapes = {"x": (1, 4, 6, 6, 16), "w": (4, 6, 6, 4, 3, 3), "b": (4, 6, 6), "y": (1, 4, 6, 6, 16)}
    shapes |= {name: value for name, value in changes.items() if name in shapes}
    numbers = {"stride": 1, "pad": 1, "groups": 1}
    numbers |= {name: value for name, value in changes.items() if name in numbers}
    x, w, b, y = (np.zeros(shape, np.float32) for shape in shapes.values())
    with pytest.raises(ValueError, match=f"^local_forward: .*{message}"):
        ops.local_forward(x, w, b, y, **numbers)
    with pytest.raises(ValueError, match=f"^local_backward_weights: .*{message}"):
        ops.local_backward_weights(x, y, w, b, **numbers)
    if "b" not in changes:
        with pytest.raises(ValueError, match=f"^local_backward_data: .*{message}"):
            ops.local_backward_data(y, w, x, **numbers)
