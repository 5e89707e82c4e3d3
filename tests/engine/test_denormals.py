"""Numbers below 1.2e-38 count as zero inside the engine, and as they are outside."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest
from comparison import poisoned, poisoned_maps

TINY = np.float32(1e-40)
DESCENT = {"rate": 1.0, "momentum": 0.9, "decay": 0.0}

pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="x86 flushes them")


def maps(value: Any, *shape: int) -> Any:
    return np.full((*shape, 16), value, np.float32)


def descent(engine: Any) -> Any:
    w, v, g = np.zeros(40_000, np.float32), np.full(40_000, TINY), np.full(40_000, TINY)
    engine.sgd(w, v, g, **DESCENT)
    return np.stack([w, v])


def convolution(engine: Any) -> Any:
    y = poisoned_maps(32, 24, 7, 7)
    w, b = np.full((24, 16, 3, 3), np.float32(1e-20)), np.zeros(24, np.float32)
    engine.conv_forward(maps(1e-20, 2, 16, 7, 7), w, b, y, stride=1, pad=1, groups=1)
    return y


def weight_gradient(engine: Any) -> Any:
    dw, db = poisoned(24, 16, 3, 3), poisoned(24)
    x, dy = maps(1e-20, 2, 16, 7, 7), maps(1e-21, 2, 24, 7, 7)
    engine.conv_backward_weights(x, dy, dw, db, stride=1, pad=1, groups=1)
    return dw


def product(engine: Any) -> Any:
    """OpenBLAS, called inside, follows."""
    y = poisoned_maps(32, 600)
    w, b = np.full((600, 64), np.float32(1e-20)), np.zeros(600, np.float32)
    engine.fc_forward(maps(1e-20, 2, 64, 1, 1), w, b, y)
    return y


def scaled(engine: Any) -> Any:
    y = poisoned_maps(32, 3, 5, 5)
    engine.scale(maps(TINY, 2, 3, 5, 5), y, factor=0.5)
    return y


def response(engine: Any) -> Any:
    dx = poisoned_maps(16, 6, 3, 3)
    settings = {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75, "groups": 1}
    engine.lrn_backward(maps(1.0, 1, 6, 3, 3), maps(TINY, 1, 6, 3, 3), dx, **settings)
    return dx


OPERATIONS = [descent, convolution, weight_gradient, product, scaled, response]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_zero_inside(build: Any, operation: Any, threads: int) -> None:
    for kind in (build.Direct, build.Winograd):
        assert not operation(kind(threads=threads)).any()


def test_as_they_are_outside(engine: Any) -> None:
    """The caller's processor is set as before, also after a refusal."""
    descent(engine)
    assert TINY * np.float32(0.5) != 0
    with pytest.raises(ValueError, match="sgd"):
        engine.sgd(np.zeros(2, np.float32), np.zeros(3, np.float32), np.zeros(2, np.float32), **DESCENT)
    assert (np.full(64, TINY) * np.float32(0.5)).all()
