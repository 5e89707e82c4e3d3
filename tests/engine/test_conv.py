"""Convolution (section 3.5) against float64 loops."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import references
from comparison import F32, close, finite_difference, pack, poisoned, poisoned_maps, same_for_any_threads, unpack


class Case(NamedTuple):
    images: int
    maps: int
    height: int
    width: int
    kernels: int
    size: tuple[int, int]
    stride: int
    pad: int
    groups: int
    edge: str = "floor"

    def sides(self) -> tuple[int, int]:
        """The output's, by the floor, or by the authors' rule of the ceiling (224 -> 55)."""
        room = (self.height + 2 * self.pad - self.size[0], self.width + 2 * self.pad - self.size[1])
        up = self.stride - 1 if self.edge == "ceil" else 0
        return (room[0] + up) // self.stride + 1, (room[1] + up) // self.stride + 1

    def shape(self) -> dict[str, int]:
        return {"stride": self.stride, "pad": self.pad, "groups": self.groups}


CASES = [
    Case(1, 1, 1, 1, 1, (1, 1), 1, 0, 1),
    Case(1, 1, 5, 4, 1, (3, 3), 1, 1, 1),
    Case(2, 1, 224, 224, 1, (11, 11), 4, 0, 1, "ceil"),
    Case(15, 3, 31, 30, 7, (11, 11), 4, 0, 1, "ceil"),
    Case(17, 6, 9, 11, 10, (5, 5), 1, 2, 2),
    Case(17, 7, 5, 5, 13, (3, 3), 1, 1, 1),
    Case(130, 2, 4, 3, 3, (3, 3), 1, 1, 1),
    Case(16, 6, 7, 8, 6, (3, 3), 2, 1, 3),
    Case(3, 2, 8, 9, 4, (3, 2), 3, 2, 1, "ceil"),
    Case(2, 3, 4, 4, 5, (2, 2), 1, 3, 1),
    Case(2, 2, 9, 9, 2, (2, 2), 3, 0, 1),
    Case(3, 64, 3, 3, 12, (3, 3), 1, 1, 1),
    Case(2, 20, 2, 160, 2, (3, 3), 1, 1, 1),
]


class Problem(NamedTuple):
    x: F32
    w: F32
    b: F32
    dy: F32
    y: Any
    dx: Any
    dw: Any
    db: Any


@cache
def problem(case: Case) -> Problem:
    rng = np.random.default_rng(sum(case.size) + case.images)
    x = rng.standard_normal((case.images, case.maps, case.height, case.width), np.float32)
    w = rng.standard_normal((case.kernels, case.maps // case.groups, *case.size), np.float32)
    b = rng.standard_normal(case.kernels, np.float32)
    dy = rng.standard_normal((case.images, case.kernels, *case.sides()), np.float32)
    exact = [a.astype(np.float64) for a in (x, w, b, dy)]
    y = references.conv(*exact[:3], case.sides(), case.stride, case.pad, case.groups)
    gradients = references.conv_gradients(exact[0], exact[1], exact[3], case.stride, case.pad, case.groups)
    return Problem(x, w, b, dy, y, *gradients)


def forward(ops: Any, case: Case, x: F32, w: F32, b: F32) -> F32:
    y = poisoned_maps(case.images, case.kernels, *case.sides())
    ops.conv_forward(pack(x), w, b, y, **case.shape())
    assert np.isfinite(y).all()
    return y


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(ops: Any, case: Case) -> None:
    p = problem(case)
    close(unpack(forward(ops, case, p.x, p.w, p.b), case.images), p.y)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_data_gradient(ops: Any, case: Case) -> None:
    p = problem(case)
    dx = poisoned_maps(case.images, case.maps, case.height, case.width)
    ops.conv_backward_data(pack(p.dy), p.w, dx, **case.shape())
    assert np.isfinite(dx).all()
    close(unpack(dx, case.images), p.dx)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_weight_gradient(ops: Any, case: Case) -> None:
    p = problem(case)
    dw, db = poisoned(*p.w.shape), poisoned(case.kernels)
    ops.conv_backward_weights(pack(p.x), pack(p.dy), dw, db, **case.shape())
    close(dw, p.dw)
    close(db, p.db)


def test_arrays_may_be_misaligned(engine: Any) -> None:
    case = CASES[4]
    p = problem(case)
    y = poisoned_maps(case.images, case.kernels, *case.sides())

    def shifted(a: F32) -> F32:
        room = np.empty(a.size + 1, np.float32)
        room[1:] = a.ravel()
        return room[1:].reshape(a.shape)

    out = shifted(y)
    engine.conv_forward(shifted(pack(p.x)), shifted(p.w), shifted(p.b), out, **case.shape())
    close(unpack(out, case.images), p.y)


def test_slopes(engine: Any) -> None:
    """The gradients are the slopes of the forward pass: convolution is linear in x and in w."""
    case = CASES[7]
    p = problem(case)

    def loss(x: F32, w: F32) -> float:
        return float((unpack(forward(engine, case, x, w, p.b), case.images).astype(np.float64) * p.dy).sum())

    dx = poisoned_maps(case.images, case.maps, case.height, case.width)
    dw, db = poisoned(*p.w.shape), poisoned(case.kernels)
    engine.conv_backward_data(pack(p.dy), p.w, dx, **case.shape())
    engine.conv_backward_weights(pack(p.x), pack(p.dy), dw, db, **case.shape())
    rng = np.random.default_rng(1)
    finite_difference(lambda x: loss(x, p.w), p.x, unpack(dx, case.images), rng, step=1, bound=1e-4)
    finite_difference(lambda w: loss(p.x, w), p.w, dw, rng, step=1, bound=1e-4)


@pytest.mark.parametrize("case", [CASES[3], CASES[4], CASES[11], CASES[12]], ids=str)
def test_same_for_any_threads(engine: Any, case: Case) -> None:
    p = problem(case)

    def outputs() -> list[F32]:
        dx = poisoned_maps(case.images, case.maps, case.height, case.width)
        dw, db = poisoned(*p.w.shape), poisoned(case.kernels)
        engine.conv_backward_data(pack(p.dy), p.w, dx, **case.shape())
        engine.conv_backward_weights(pack(p.x), pack(p.dy), dw, db, **case.shape())
        return [forward(engine, case, p.x, p.w, p.b), dx, dw, db]

    same_for_any_threads(engine, outputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w": (4, 3, 3, 3)}, r"x \(1, 4, 6, 6, 16\), w \(4, 3, 3, 3\)"),
        ({"groups": 2}, "groups 2"),
        ({"groups": 0}, "groups 0"),
        ({"stride": 0}, "stride 0"),
        ({"pad": -1}, "pad -1"),
        ({"b": (3,)}, r"b \(1, 3\)"),
        ({"y": (1, 4, 6, 7, 16)}, r"y \(1, 4, 6, 7, 16\)"),
        ({"y": (1, 4, 5, 6, 16)}, r"y \(1, 4, 5, 6, 16\)"),
        ({"y": (2, 4, 6, 6, 16)}, r"y \(2, 4, 6, 6, 16\)"),
        ({"y": (1, 3, 6, 6, 16)}, r"y \(1, 3, 6, 6, 16\)"),
        ({"w": (4, 4, 9, 9)}, "sides"),
    ],
)
def test_shapes_that_do_not_fit(ops: Any, changes: dict[str, Any], message: str) -> None:
    shapes = {"x": (1, 4, 6, 6, 16), "w": (4, 4, 3, 3), "b": (4,), "y": (1, 4, 6, 6, 16)}
    shapes |= {name: value for name, value in changes.items() if name in shapes}
    numbers = {"stride": 1, "pad": 1, "groups": 1}
    numbers |= {name: value for name, value in changes.items() if name in numbers}
    x, w, b, y = (np.zeros(shape, np.float32) for shape in shapes.values())
    with pytest.raises(ValueError, match=f"^conv_forward: .*{message}"):
        ops.conv_forward(x, w, b, y, **numbers)
    with pytest.raises(ValueError, match=f"^conv_backward_weights: .*{message.replace('b ', 'db ')}"):
        ops.conv_backward_weights(x, y, w, b, **numbers)
    if "b" not in changes:
        with pytest.raises(ValueError, match=f"^conv_backward_data: .*{message}"):
            ops.conv_backward_data(y, w, x, **numbers)


def test_arrays_are_never_converted(engine: Any) -> None:
    """A copy of an output in another type or order would be written and lost."""
    x, w, b = np.zeros((1, 1, 3, 3, 16), np.float32), np.zeros((1, 1, 1, 1), np.float32), np.zeros(1, np.float32)
    for y in (np.zeros_like(x, np.float64), np.asfortranarray(np.zeros((1, 1, 3, 3, 16), np.float32)), x[..., :8]):
        with pytest.raises(TypeError, match="conv_forward"):
            engine.conv_forward(x, w, b, y, stride=1, pad=0, groups=1)
