"""The cases of both kinds of pooling (section 3.4)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from comparison import F32


class Case(NamedTuple):
    images: int
    maps: int
    height: int
    width: int
    size: int
    stride: int
    edge: str

    def sides(self) -> tuple[int, int]:
        up = self.stride - 1 if self.edge == "ceil" else 0
        return (self.height - self.size + up) // self.stride + 1, (self.width - self.size + up) // self.stride + 1

    def shape(self) -> dict[str, int]:
        return {"size": self.size, "stride": self.stride}


CASES = [
    Case(1, 1, 1, 1, 1, 1, "floor"),
    Case(15, 2, 13, 13, 3, 2, "floor"),
    Case(17, 3, 8, 9, 3, 2, "ceil"),
    Case(130, 1, 5, 4, 2, 2, "ceil"),
    Case(2, 2, 7, 11, 2, 3, "floor"),
    Case(3, 1, 2, 2, 3, 2, "ceil"),
    Case(1, 2, 9, 10, 5, 1, "floor"),
    Case(1, 1, 18, 18, 16, 2, "floor"),
]


def problem(case: Case) -> tuple[F32, F32]:
    """Values a step apart from each other, so that no maximum is near a tie, and slopes."""
    rng = np.random.default_rng(case.images + case.size)
    shape = (case.images, case.maps, case.height, case.width)
    x = rng.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32) / 64 - 1
    return x, rng.standard_normal((case.images, case.maps, *case.sides()), np.float32)


REFUSED = [  # x, y, size, stride, what is said
    ((1, 2, 8, 8, 16), (1, 2, 5, 4, 16), 3, 2, r"y \(1, 2, 5, 4, 16\)"),
    ((1, 2, 8, 8, 16), (1, 1, 3, 3, 16), 3, 2, r"y \(1, 1, 3, 3, 16\)"),
    ((1, 2, 8, 8, 16), (2, 2, 3, 3, 16), 3, 2, r"y \(2, 2, 3, 3, 16\)"),
    ((1, 2, 8, 8, 16), (1, 2, 3, 3, 16), 0, 2, "size 0"),
    ((1, 2, 8, 8, 16), (1, 2, 3, 3, 16), 3, 0, "stride 0"),
    ((1, 2, 1, 1, 16), (1, 2, 1, 1, 16), 3, 2, r"x \(1, 2, 1, 1, 16\)"),
    ((1, 1, 5, 5, 16), (1, 1, 3, 3, 16), 1, 3, "outside"),
]
