"""The update rule (section 5): v <- 0.9 v - 0.0005 rate w - rate gradient; w <- w + v."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparison import F32, close, same_for_any_threads

SHAPES = [(1,), (17,), (130, 3), (5, 3, 2, 7), (40000,)]


def numbers(shape: tuple[int, ...]) -> list[F32]:
    rng = np.random.default_rng(len(shape))
    return [rng.standard_normal(shape, np.float32) for _ in range(3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_three_updates(engine: Any, shape: tuple[int, ...]) -> None:
    w, v, g = numbers(shape)
    given = g.copy()
    exact_w, exact_v, slope = (a.astype(np.float64) for a in (w, v, g))
    for rate in (0.01, 0.3, 0.0):
        engine.sgd(w, v, g, rate=rate, momentum=0.9, decay=0.0005)
        exact_v = 0.9 * exact_v - 0.0005 * rate * exact_w - rate * slope
        exact_w = exact_w + exact_v
        close(v, exact_v)
        close(w, exact_w)
    assert np.array_equal(g, given)


def test_decay_acts(engine: Any) -> None:
    """With no gradient and no momentum a weight shrinks by rate * decay of itself."""
    w, v, g = np.full(9, 2, np.float32), np.zeros(9, np.float32), np.zeros(9, np.float32)
    engine.sgd(w, v, g, rate=0.5, momentum=0.9, decay=0.25)
    assert np.allclose(w, 2 - 0.5 * 0.25 * 2, rtol=1e-6)


def test_same_for_any_threads(engine: Any) -> None:
    def outputs(engine: Any) -> list[F32]:
        w, v, g = numbers((40000,))
        engine.sgd(w, v, g, rate=0.1, momentum=0.9, decay=0.01)
        return [w, v]

    same_for_any_threads(engine, outputs)


def test_shapes_that_do_not_fit(engine: Any) -> None:
    a, b = np.zeros(4, np.float32), np.zeros(5, np.float32)
    for arrays in ((a, a, b), (a, b, a), (b, a, a)):
        with pytest.raises(ValueError, match=r"^sgd: sizes differ: w \(1, \d\)"):
            engine.sgd(*arrays, rate=0.1, momentum=0.9, decay=0.0)
