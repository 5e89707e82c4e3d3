"""Sums over photographs against the same in 64-bit integers: nothing is rounded, so all must be equal."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest


def none(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((height, width, 3), np.uint64), np.zeros((3, 3), np.uint64)


@pytest.mark.parametrize("height, width", [(1, 1), (7, 9), (31, 33), (32, 32), (25, 41), (40, 77)])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_against_whole_numbers(build: ModuleType, height: int, width: int, n: int) -> None:
    """Of fewer pixels than a strip, of as many, of one more, and of several strips."""
    images = np.random.default_rng(n).integers(0, 256, (n, height, width, 3)).astype(np.uint8)
    totals, products = none(height, width)
    for times in (1, 2):  # what is there is added to
        build.add_sums(images, totals, products)
        values = images.reshape(-1, 3).astype(np.uint64)
        assert (totals == times * images.sum(axis=0, dtype=np.uint64)).all()
        assert (products == times * (values.T @ values)).all()


def test_at_the_largest_values(build: ModuleType) -> None:
    images = np.full((2, 300, 301, 3), 255, np.uint8)
    totals, products = none(300, 301)
    build.add_sums(images, totals, products)
    assert (totals == 2 * 255).all() and (products == images[..., 0].size * 255**2).all()


def test_more_images_than_32_bits_add_up_are_refused(build: ModuleType) -> None:
    with pytest.raises(ValueError, match="no more than 16777216 images at once, got 16777217"):
        build.add_sums(np.zeros((2**24 + 1, 1, 1, 3), np.uint8), *none(1, 1))


@pytest.mark.parametrize("height, width", [(4, 5), (5, 3)])
def test_totals_of_another_size_are_refused(build: ModuleType, height: int, width: int) -> None:
    with pytest.raises(ValueError, match=r"totals \(\d, \d, 3\) must be of images \(4, 3, 3\)"):
        build.add_sums(np.zeros((2, 4, 3, 3), np.uint8), *none(height, width))
