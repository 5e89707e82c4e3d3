"""SIFT against loops over pixels, cells and directions, in float64."""

import math

import numpy as np
import pytest

from alexnet.baselines.sift import sift


def by_loops(image: np.ndarray, step: int) -> np.ndarray:
    """Lowe's histograms, from the definition: trilinear shares of every pixel in every patch."""
    side = len(image)
    found = []
    for top in range(0, side - 23, step):
        for left in range(0, side - 23, step):
            histogram = np.zeros((4, 4, 8))
            for y in range(max(0, top - 3), min(side, top + 27)):
                for x in range(max(0, left - 3), min(side, left + 27)):
                    up, below = max(y - 1, 0), min(y + 1, side - 1)
                    before, after = max(x - 1, 0), min(x + 1, side - 1)
                    dy = (image[below, x] - image[up, x]) / (below - up)
                    dx = (image[y, after] - image[y, before]) / (after - before)
                    turn = math.atan2(dy, dx) / (2 * math.pi) * 8 % 8
                    for row in range(4):
                        for column in range(4):
                            across = 1 - abs(x + 0.5 - (left + 6 * column + 3)) / 6
                            down = 1 - abs(y + 0.5 - (top + 6 * row + 3)) / 6
                            if across <= 0 or down <= 0:
                                continue
                            for direction in range(8):
                                apart = abs(turn - direction)
                                share = 1 - min(apart, 8 - apart)
                                if share > 0:
                                    histogram[row, column, direction] += math.hypot(dx, dy) * share * across * down / 36
            for row, column in np.ndindex(4, 4):
                histogram[row, column] *= math.exp(-((row - 1.5) ** 2 + (column - 1.5) ** 2) / 8)
            found.append(histogram.ravel())
    rows = []
    for each in found:
        length = np.linalg.norm(each)
        if length <= 0.005:
            rows.append(np.zeros(128))
            continue
        cut = np.minimum(each / length, 0.2)
        rows.append(cut / np.linalg.norm(cut))
    return np.array(rows)


@pytest.mark.parametrize(("side", "step"), [(33, 4), (26, 1), (40, 8)])
def test_the_histograms_are_those_of_the_definition(side, step):
    """Of noise and an edge in it, by which some values come to be cut."""
    image = np.random.default_rng(side).uniform(0, 0.1, (side, side))
    image[:, side // 2 :] += 0.8
    found = sift(image, step)
    assert found.max() > 0.25
    np.testing.assert_allclose(found, by_loops(image, step), rtol=0, atol=1e-6)


def test_an_even_image_has_no_direction():
    assert not sift(np.full((32, 32), 0.7, np.float32), 4).any()


def test_a_patch_with_hardly_a_gradient_is_0():
    """Its histograms sum to less than 0.005, whatever way they point; ten times as steep they have a direction."""
    ramp = np.repeat(np.linspace(0, 1e-3, 24)[:, None], 24, axis=1)
    assert not sift(ramp, 4).any()
    assert np.linalg.norm(sift(100 * ramp, 4)) == pytest.approx(1)


def test_an_edge_upwards_points_down_the_image():
    ramp = np.repeat(np.linspace(0, 1, 24)[:, None], 24, axis=1)
    histogram = sift(ramp, 4).reshape(4, 4, 8)
    assert (histogram.sum(axis=(0, 1)) > 1e-6).tolist() == [False, False, True, False, False, False, False, False]


def test_single_precision_is_enough():
    image = np.random.default_rng(0).uniform(0, 1, (64, 64))
    np.testing.assert_allclose(sift(image.astype(np.float32), 4), sift(image, 4), rtol=0, atol=1e-5)
