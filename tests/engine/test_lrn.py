"""Local response normalisation (section 3.3), across maps and within a map, against float64 loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import references
from comparison import F32, close_each, finite_difference, pack, poisoned_maps, same_for_any_threads, unpack

SHAPES = [(1, 1, 1, 1), (15, 8, 5, 7), (17, 6, 3, 3), (130, 3, 2, 1), (2, 20, 5, 9)]
PARAMETERS = [
    {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75},
    {"n": 5, "k": 2.0, "alpha": 0.5, "beta": 0.75},
    {"n": 3, "k": 1.0, "alpha": 0.3, "beta": 0.6},
    {"n": 4, "k": 0.5, "alpha": 0.2, "beta": 1.0},
    {"n": 1, "k": 1.0, "alpha": 0.4, "beta": 0.75},
    {"n": 99, "k": 1.0, "alpha": 0.01, "beta": 0.75},
]
POWER = 1e-6  # of a response: sums of 5 to 99 squares and a power -0.75 made by roots, each rounded to 6e-8
KINDS = [("lrn", 1), ("lrn", 2), ("lrn_spatial", None)]


def numbers(shape: tuple[int, ...], seed: int) -> F32:
    return np.random.default_rng(seed).standard_normal(shape, np.float32) * 2


def run(ops: Any, kind: str, groups: int | None, p: dict[str, Any], x: F32, dy: F32) -> tuple[F32, F32]:
    more = {} if groups is None else {"groups": groups}
    y, dx = poisoned_maps(*x.shape), poisoned_maps(*x.shape)
    getattr(ops, f"{kind}_forward")(pack(x), y, **p, **more)
    getattr(ops, f"{kind}_backward")(pack(x), pack(dy), dx, **p, **more)
    assert np.isfinite(y).all() and np.isfinite(dx).all()
    return y, dx


@pytest.mark.parametrize("p", PARAMETERS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("kind", "groups"), KINDS)
def test_both_passes(ops: Any, kind: str, groups: int | None, shape: tuple[int, ...], p: dict[str, Any]) -> None:
    if groups is not None and shape[1] % groups:
        groups = shape[1]
    x, dy = numbers(shape, 1), numbers(shape, 2)
    y, dx = run(ops, kind, groups, p, x, dy)
    given = [np.float32(v).astype(np.float64) if name != "n" else v for name, v in p.items()]  # as the engine has it
    more = [] if groups is None else [groups]
    exact, slopes = x.astype(np.float64), dy.astype(np.float64)
    expected = getattr(references, kind)(exact, *given, *more)
    close_each(unpack(y, len(x)), expected, np.abs(expected), POWER)
    gradient = getattr(references, f"{kind}_gradient")
    direct = slopes * expected / exact
    terms = np.abs(direct) + np.abs(gradient(np.abs(exact), np.abs(slopes), *given, *more) - np.abs(direct))
    close_each(unpack(dx, len(x)), gradient(exact, slopes, *given, *more), terms, 2 * POWER)


@pytest.mark.parametrize("kind", ["lrn", "lrn_spatial"])
def test_squares_beyond_all_numbers(engine: Any, kind: str) -> None:
    """Where x^2 is infinite, the response and its slope are as small as they should be, and not what is no number."""
    x = np.full((16, 6, 3, 3), 3e19, np.float32)
    more = {"groups": 1} if kind == "lrn" else {}
    y = poisoned_maps(*x.shape)
    getattr(engine, f"{kind}_forward")(pack(x), y, **PARAMETERS[0], **more)
    assert (np.abs(y) <= 1e-6).all()
    dx = poisoned_maps(*x.shape)
    getattr(engine, f"{kind}_backward")(pack(x), pack(np.ones_like(x)), dx, **PARAMETERS[0], **more)
    assert (np.abs(dx) <= 1e-6).all()


@pytest.mark.parametrize(("kind", "groups"), KINDS)
def test_slopes(engine: Any, kind: str, groups: int | None) -> None:
    x, dy = numbers((3, 6, 4, 5), 3), numbers((3, 6, 4, 5), 4)
    p = PARAMETERS[1]
    _, dx = run(engine, kind, groups, p, x, dy)

    def loss(x: F32) -> float:
        return float((unpack(run(engine, kind, groups, p, x, dy)[0], len(x)).astype(np.float64) * dy).sum())

    finite_difference(loss, x, unpack(dx, len(x)), np.random.default_rng(5), step=1 / 256, bound=2e-4)  # seen: 7e-5


@pytest.mark.parametrize(("kind", "groups"), KINDS)
def test_same_for_any_threads(engine: Any, kind: str, groups: int | None) -> None:
    x, dy = numbers((33, 6, 5, 7), 6), numbers((33, 6, 5, 7), 7)
    same_for_any_threads(engine, lambda engine: list(run(engine, kind, groups, PARAMETERS[0], x, dy)))


@pytest.mark.parametrize("kind", ["lrn", "lrn_spatial"])
def test_shapes_that_do_not_fit(ops: Any, kind: str) -> None:
    x, other = np.zeros((1, 4, 3, 3, 16), np.float32), np.zeros((1, 4, 3, 2, 16), np.float32)
    more = {"groups": 1} if kind == "lrn" else {}
    forward, backward = getattr(ops, f"{kind}_forward"), getattr(ops, f"{kind}_backward")
    good = PARAMETERS[0] | more
    with pytest.raises(ValueError, match=rf"^{kind}_forward: .*\(1, 4, 3, 2, 16\)"):
        forward(x, other, **good)
    with pytest.raises(ValueError, match=rf"^{kind}_backward: .*\(1, 4, 3, 2, 16\)"):
        backward(x, other, x.copy(), **good)
    with pytest.raises(ValueError, match=rf"^{kind}_backward: .*\(1, 4, 3, 2, 16\)"):
        backward(x, x, other, **good)
    for wrong in ({"n": 0}, {"k": 0.0}, {"alpha": -1.0}):
        with pytest.raises(ValueError, match=f"^{kind}_forward: "):
            forward(x, x.copy(), **(good | wrong))
    if kind == "lrn":
        with pytest.raises(ValueError, match=r"^lrn_forward: x \(1, 4, 3, 3, 16\) .* 3 groups"):
            forward(x, x.copy(), **(good | {"groups": 3}))
