"""Mean (section 2) and colour axes (section 4.1) against numpy in float64, from the images themselves."""

import numpy as np
import pytest
from numpy.typing import NDArray
from samples import Pixels, photo

from data_prep.statistics import Sums, colour_axes


def summed(images: list[Pixels]) -> Sums:
    sums = Sums.none(len(images[0]))
    sums.add(np.array(images))
    return sums


@pytest.mark.parametrize("size", [1, 2, 15, 33, 45, 46, 256, 259])
def test_against_numpy(size: int) -> None:
    images = [photo(size, size, seed) for seed in range(1 if size > 99 else 9)]
    sums = summed(images)
    values = np.concatenate([image.reshape(-1, 3) for image in images]).astype(np.float64)
    assert np.allclose(sums.mean(), np.mean(images, axis=0, dtype=np.float64), rtol=1e-7)
    assert sums.mean().dtype == np.float32
    covariance = np.cov(values.T, bias=True)
    assert np.allclose(sums.covariance(), covariance, rtol=1e-10, atol=1e-9)


def test_sums_are_exact_at_the_largest_values() -> None:
    for size, count in ((259, 3), (512, 2), (1, 2**16)):
        sums = Sums.none(size)
        sums.add(np.full((count, size, size, 3), 255, np.uint8))
        assert sums.count == count and (sums.pixels == count * 255).all()
        assert (sums.products == count * size * size * 255**2).all()
        assert (sums.covariance() == 0).all()


def test_sums_are_exact_at_odd_values() -> None:
    """A float32 that lost a bit would show: all values odd, or one of them even."""
    images = np.full((2, 300, 300, 3), 255, np.uint8) - photo(300, 300, 1) % 3
    sums = summed(list(images))
    values = images.reshape(-1, 3).astype(np.int64)
    assert (sums.products == values.T @ values).all() and (sums.pixels == images.sum(axis=0)).all()


def test_order_and_grouping_change_nothing() -> None:
    images = [photo(16, 16, seed) for seed in range(12)]
    straight, parted = summed(images), summed(images[7:])
    parted.merge(summed(images[:7][::-1]))
    assert parted.count == straight.count == 12
    assert (parted.pixels == straight.pixels).all() and (parted.products == straight.products).all()
    assert parted.mean().tobytes() == straight.mean().tobytes()
    assert parted.covariance().tobytes() == straight.covariance().tobytes()


def rotation(a: float, b: float, c: float) -> NDArray[np.float64]:
    turn = np.eye(3)
    for angle, (i, j) in zip((a, b, c), ((0, 1), (1, 2), (0, 2)), strict=True):
        step = np.eye(3)
        step[i, i] = step[j, j] = np.cos(angle)
        step[i, j], step[j, i] = -np.sin(angle), np.sin(angle)
        turn = turn @ step
    return turn


@pytest.mark.parametrize("seed", range(20))
def test_axes_are_those_the_covariance_was_made_of(seed: int) -> None:
    draws = np.random.default_rng(seed)
    values = np.sort(draws.uniform(1, 20_000, 3))[::-1]
    vectors = rotation(*draws.uniform(0, 6, 3))
    found, axes = colour_axes(vectors @ np.diag(values) @ vectors.T)
    assert np.allclose(found, values, rtol=1e-9)
    assert np.allclose(np.abs(axes.T @ vectors), np.eye(3), atol=1e-6), "axes are columns, in this order"
    for column in axes.T:
        large = np.abs(column) >= np.abs(column).max() / 2
        assert column[np.flatnonzero(large)[0]] > 0


def test_grey_images_have_one_axis() -> None:
    grey = np.repeat(photo(20, 20, 1, 1), 3, axis=-1)
    values, axes = colour_axes(summed([grey]).covariance())
    assert np.allclose(axes[:, 0], 3**-0.5)
    assert values[0] > 100 and (values[1:] >= 0).all() and values[1] < 1e-6
