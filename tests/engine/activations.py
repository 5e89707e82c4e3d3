"""What holds for both activations, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparison import F32, finite_difference, pack, poisoned_maps, same_for_any_threads, unpack

SHAPES = [(1, 1, 1, 1), (15, 2, 3, 5), (17, 3, 1, 1), (130, 1, 2, 3)]


def numbers(shape: tuple[int, ...], seed: int) -> F32:
    return np.random.default_rng(seed).standard_normal(shape, np.float32) * 2


class Activation:
    """One activation of an engine, with new outputs at each call."""

    def __init__(self, engine: Any, kind: str) -> None:
        self.engine, self.kind = engine, kind
        self.into, self.back_into = getattr(engine, f"{kind}_forward"), getattr(engine, f"{kind}_backward")

    def forward(self, x: F32) -> F32:
        y = np.full_like(x, np.nan)
        self.into(x, y)
        return y

    def backward(self, y: F32, dy: F32) -> F32:
        dx = np.full_like(dy, np.nan)
        self.back_into(y, dy, dx)
        return dx

    def works_in_place(self) -> None:
        x, dy = pack(numbers((17, 3, 2, 2), 5)), pack(numbers((17, 3, 2, 2), 6))
        y = self.forward(x)
        dx = self.backward(y, dy)
        self.into(x, x)
        self.back_into(x, dy, dy)
        assert np.array_equal(x, y) and np.array_equal(dy, dx)

    def has_its_slopes(self) -> None:
        """Finite differences, with the numbers kept away from ReLU's kink at 0."""
        x, dy = numbers((3, 2, 3, 3), 7), numbers((3, 2, 3, 3), 8)
        x += np.sign(x) * np.float32(0.02)
        dx = self.backward(self.forward(pack(x)), pack(dy))

        def loss(x: F32) -> float:
            return float((unpack(self.forward(pack(x)), len(x)).astype(np.float64) * dy).sum())

        finite_difference(loss, x, unpack(dx, len(x)), np.random.default_rng(9), step=1 / 256, bound=1e-4)  # 3e-5

    def is_the_same_for_any_threads(self) -> None:
        x, dy = pack(numbers((33, 5, 3, 3), 11)), pack(numbers((33, 5, 3, 3), 12))

        def outputs(engine: Any) -> list[F32]:
            own = Activation(engine, self.kind)
            y = own.forward(x)
            return [y, own.backward(y, dy)]

        same_for_any_threads(self.engine, outputs)

    def refuses_other_shapes(self) -> None:
        x, other = np.zeros((1, 2, 3, 3, 16), np.float32), poisoned_maps(1, 2, 9, 1)
        with pytest.raises(ValueError, match=rf"^{self.kind}_forward: y \(1, 2, 9, 1, 16\)"):
            self.into(x, other)
        for arrays in ((x, other, x), (x, x, other)):
            with pytest.raises(ValueError, match=rf"^{self.kind}_backward: .*\(1, 2, 9, 1, 16\)"):
                self.back_into(*arrays)
