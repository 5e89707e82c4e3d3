"""Colour statistics against NumPy's own, cell by cell."""

import numpy as np

from alexnet.baselines.colour import colour


def test_each_cell_has_the_mean_and_the_deviation_of_its_channels():
    image = np.random.default_rng(0).integers(0, 256, (33, 33, 3), np.uint8)
    found = colour(image, 4).reshape(3, 3, 4, 4, 6)
    for row, column, down, right in np.ndindex(3, 3, 4, 4):
        top, left = 4 * row + 6 * down, 4 * column + 6 * right
        cell = image[top : top + 6, left : left + 6].reshape(-1, 3) / 255
        wanted = [*(cell.mean(axis=0) - 0.5), *cell.std(axis=0)]
        np.testing.assert_allclose(found[row, column, down, right], wanted, rtol=0, atol=1e-6)


def test_an_even_image_has_no_deviation():
    assert not colour(np.full((30, 30, 3), 201, np.uint8), 4).reshape(-1, 16, 6)[:, :, 3:].any()
