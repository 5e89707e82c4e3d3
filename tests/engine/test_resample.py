"""Bicubic resampling of a box to a square, to the last bit, against the formula in float64 and whole numbers."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

UNIT = 2**22


def cubic(x: float) -> float:
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2 else 0.0


def weights(side: int, begin: float, end: float, size: int) -> np.ndarray:
    """Row j: what each pixel gives to place j, in units of 2^-22."""
    matrix = np.zeros((size, side), np.int64)
    scale = (end - begin) / size
    stretch = max(scale, 1.0)
    for j in range(size):
        centre = begin + (j + 0.5) * scale
        near = range(max(int(centre - 2 * stretch + 0.5), 0), min(int(centre + 2 * stretch + 0.5), side))
        row = [cubic((x - centre + 0.5) * (1 / stretch)) for x in near]
        for x, weight in zip(near, row, strict=True):
            share = weight / sum(row) * UNIT
            matrix[j, x] = int(share - 0.5 if share < 0 else share + 0.5)
    return matrix


def expected(image: np.ndarray, box: tuple[float, ...], size: int, down_first: bool) -> np.ndarray:
    height, width, _ = image.shape
    left, top, right, bottom = box
    passes = [("jx,yxc->yjc", weights(width, left, right, size)), ("iy,yxc->ixc", weights(height, top, bottom, size))]
    values = image.astype(np.int64)
    for subscripts, matrix in passes[::-1] if down_first else passes:
        values = ((np.einsum(subscripts, matrix, values) + UNIT // 2) // UNIT).clip(0, 255)
    return values.astype(np.uint8)


def resampled(build: ModuleType, image: np.ndarray, box: tuple[float, ...], size: int, down_first: bool) -> np.ndarray:
    out = np.full((size, size, image.shape[2]), 77, np.uint8)
    left, top, right, bottom = box
    build.resample(image, out, left=left, top=top, right=right, bottom=bottom, down_first=down_first)
    return out


def harsh(height: int, width: int, channels: int) -> np.ndarray:
    """Black and white alone: sums leave the bytes' range on either side."""
    return np.random.default_rng(height * width).choice(np.array([0, 255], np.uint8), (height, width, channels))


SHAPES = [
    (1, 1, (0, 0, 1, 1), 5),
    (3, 2, (0, 0.5, 2, 2.5), 7),
    (17, 15, (0, 1, 15, 16), 16),
    (64, 130, (33, 0, 97, 64), 33),
    (131, 70, (0, 30.5, 70, 100.5), 17),
    (40, 40, (5.25, 7, 30.25, 32), 25),
    (20, 90, (1, 2, 80, 19), 12),
]


@pytest.mark.parametrize("down_first", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("height, width, box, size", SHAPES)
def test_each_byte_follows_the_formula(build, height, width, box, size, channels, down_first):
    image = harsh(height, width, channels)
    assert (resampled(build, image, box, size, down_first) == expected(image, box, size, down_first)).all()


def test_the_order_of_the_directions_shows(build):
    image, box = harsh(50, 50, 3), (0, 0, 50, 50)
    first, other = (resampled(build, image, box, 20, down_first) for down_first in (False, True))
    assert (first != other).mean() > 0.1


def test_a_square_of_its_own_size_stays(build):
    image = harsh(37, 37, 3)
    assert (resampled(build, image, (0, 0, 37, 37), 37, False) == image).all()


@pytest.mark.parametrize(
    "shape, out, box, message",
    [
        ((8, 8, 3), (4, 5, 3), (0, 0, 8, 8), r"out \(4, 5, 3\) must be \(size, size, 3\)"),
        ((8, 8, 3), (4, 4, 1), (0, 0, 8, 8), r"out \(4, 4, 1\) must be"),
        ((0, 8, 3), (4, 4, 3), (0, 0, 8, 8), "nothing is made of 0 x 8 pixels"),
        ((8, 8, 3), (0, 0, 3), (0, 0, 8, 8), "for a side of 0"),
        ((8, 9, 3), (4, 4, 3), (0, 0, 9.5, 8), "is not within 9 x 8 pixels"),
        ((8, 8, 3), (4, 4, 3), (0, -1, 8, 7), "is not within"),
        ((8, 8, 3), (4, 4, 3), (3, 0, 3, 8), "is not within"),
        ((8, 8, 3), (4, 4, 3), (0, float("nan"), 8, 8), "is not within"),
    ],
)
def test_what_does_not_fit_is_named(build: ModuleType, shape: Any, out: Any, box: Any, message: str) -> None:
    left, top, right, bottom = box
    with pytest.raises(ValueError, match=f"resample: .*{message}"):
        build.resample(
            np.zeros(shape, np.uint8),
            np.zeros(out, np.uint8),
            left=left,
            top=top,
            right=right,
            bottom=bottom,
            down_first=False,
        )
