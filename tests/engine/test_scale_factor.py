"""Scaling, which stands for dropout at test time (section 4.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from activations import SHAPES, numbers
from comparison import F32, pack, poisoned_maps, same_for_any_threads


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scale(engine: Any, shape: tuple[int, ...]) -> None:
    x, y = pack(numbers(shape, 10)), poisoned_maps(*shape)
    engine.scale(x, y, factor=0.5)
    assert np.array_equal(y, x * np.float32(0.5))


def test_same_for_any_threads(engine: Any) -> None:
    x = pack(numbers((33, 5, 3, 3), 11))

    def outputs(engine: Any) -> list[F32]:
        y = np.full_like(x, np.nan)
        engine.scale(x, y, factor=3)
        return [y]

    same_for_any_threads(engine, outputs)


def test_shapes_that_do_not_fit(engine: Any) -> None:
    with pytest.raises(ValueError, match=r"^scale: y \(1, 2, 9, 1, 16\)"):
        engine.scale(poisoned_maps(1, 2, 3, 3), poisoned_maps(1, 2, 9, 1), factor=1)
