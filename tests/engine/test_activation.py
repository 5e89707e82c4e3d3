"""ReLU, tanh (section 3.1) and scaling against float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from comparison import F32, close, finite_difference, pack, poisoned_maps, same_for_any_threads, unpack

SHAPES = [(1, 1, 1, 1), (15, 2, 3, 5), (17, 3, 1, 1), (130, 1, 2, 3)]


def numbers(shape: tuple[int, ...], seed: int) -> F32:
    return np.random.default_rng(seed).standard_normal(shape, np.float32) * 2


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_relu(engine: Any, shape: tuple[int, ...]) -> None:
    x, dy = numbers(shape, 1), numbers(shape, 2)
    x.flat[0] = 0
    y, dx = poisoned_maps(*shape), poisoned_maps(*shape)
    engine.relu_forward(pack(x), y)
    engine.relu_backward(y, pack(dy), dx)
    expected = np.array([v if v > 0 else 0.0 for v in x.ravel()]).reshape(shape)
    slopes = np.array([s if v > 0 else 0.0 for v, s in zip(x.ravel(), dy.ravel(), strict=True)]).reshape(shape)
    assert np.array_equal(unpack(y, len(x)), expected)
    assert np.array_equal(unpack(dx, len(x)), slopes)
    assert np.isfinite(y).all() and np.isfinite(dx).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_tanh(engine: Any, shape: tuple[int, ...]) -> None:
    x, dy = numbers(shape, 3), numbers(shape, 4)
    y, dx = poisoned_maps(*shape), poisoned_maps(*shape)
    engine.tanh_forward(pack(x), y)
    engine.tanh_backward(pack(np.tanh(x)), pack(dy), dx)
    close(unpack(y, len(x)), np.array([math.tanh(v) for v in x.ravel()]).reshape(shape))
    slopes = [s * (1 - float(t) ** 2) for t, s in zip(np.tanh(x).ravel(), dy.ravel(), strict=True)]
    close(unpack(dx, len(x)), np.array(slopes).reshape(shape))


def test_tanh_of_every_size(engine: Any) -> None:
    """Each value to 1e-6 of itself, from tiny to beyond where it rounds to 1."""
    size = np.geomspace(1e-30, 100, 4096).astype(np.float32)
    x = np.concatenate([size, -size]).reshape(16, 512, 1, 1)
    y = poisoned_maps(*x.shape)
    engine.tanh_forward(pack(x), y)
    expected = np.array([math.tanh(v) for v in x.ravel()]).reshape(x.shape)
    assert (np.abs(unpack(y, 16) - expected) <= 1e-6 * np.abs(expected)).all()


@pytest.mark.parametrize("kind", ["relu", "tanh"])
def test_edges(engine: Any, kind: str) -> None:
    """Zero stays zero, infinities saturate or pass, and what is not a number is seen."""
    x = np.array([0, math.inf, -math.inf, math.nan], np.float32).reshape(4, 1, 1, 1)
    y = poisoned_maps(*x.shape)
    getattr(engine, f"{kind}_forward")(pack(x), y)
    top, bottom = (math.inf, 0) if kind == "relu" else (1, -1)
    assert np.array_equal(unpack(y, 4).ravel(), [0, top, bottom, math.nan], equal_nan=True)


@pytest.mark.parametrize("kind", ["relu", "tanh"])
def test_in_place(engine: Any, kind: str) -> None:
    x, dy = pack(numbers((17, 3, 2, 2), 5)), pack(numbers((17, 3, 2, 2), 6))
    y, dx = np.full_like(x, np.nan), np.full_like(x, np.nan)
    forward, backward = getattr(engine, f"{kind}_forward"), getattr(engine, f"{kind}_backward")
    forward(x, y)
    backward(y, dy, dx)
    forward(x, x)
    backward(x, dy, dy)
    assert np.array_equal(x, y) and np.array_equal(dy, dx)


@pytest.mark.parametrize("kind", ["relu", "tanh"])
def test_slopes(engine: Any, kind: str) -> None:
    """Finite differences, with the numbers kept away from ReLU's kink at 0."""
    x, dy = numbers((3, 2, 3, 3), 7), numbers((3, 2, 3, 3), 8)
    x += np.sign(x) * np.float32(0.02)
    y, dx = poisoned_maps(*x.shape), poisoned_maps(*x.shape)
    getattr(engine, f"{kind}_forward")(pack(x), y)
    getattr(engine, f"{kind}_backward")(y, pack(dy), dx)

    def loss(x: F32) -> float:
        out = poisoned_maps(*x.shape)
        getattr(engine, f"{kind}_forward")(pack(x), out)
        return float((unpack(out, len(x)).astype(np.float64) * dy).sum())

    finite_difference(loss, x, unpack(dx, len(x)), np.random.default_rng(9), step=1 / 256, bound=1e-3)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scale(engine: Any, shape: tuple[int, ...]) -> None:
    x, y = pack(numbers(shape, 10)), poisoned_maps(*shape)
    engine.scale(x, y, factor=0.5)
    assert np.array_equal(y, x * np.float32(0.5))


def test_same_for_any_threads(engine: Any) -> None:
    x, dy = pack(numbers((33, 5, 3, 3), 11)), pack(numbers((33, 5, 3, 3), 12))

    def outputs() -> list[F32]:
        made = [np.full_like(x, np.nan) for _ in range(5)]
        engine.relu_forward(x, made[0])
        engine.relu_backward(made[0], dy, made[1])
        engine.tanh_forward(x, made[2])
        engine.tanh_backward(made[2], dy, made[3])
        engine.scale(x, made[4], factor=3)
        return made

    same_for_any_threads(engine, outputs)


def test_shapes_that_do_not_fit(engine: Any) -> None:
    x, other = np.zeros((1, 2, 3, 3, 16), np.float32), np.zeros((1, 2, 9, 1, 16), np.float32)
    for name in ("relu_forward", "tanh_forward"):
        with pytest.raises(ValueError, match=rf"^{name}: y \(1, 2, 9, 1, 16\)"):
            getattr(engine, name)(x, other)
    for name in ("relu_backward", "tanh_backward"):
        for arrays in ((x, other, x), (x, x, other)):
            with pytest.raises(ValueError, match=rf"^{name}: .*\(1, 2, 9, 1, 16\)"):
                getattr(engine, name)(*arrays)
    with pytest.raises(ValueError, match=r"^scale: y \(1, 2, 9, 1, 16\)"):
        engine.scale(x, other, factor=1)
