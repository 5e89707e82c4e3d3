"""Scales, patches and the weighted sums of cells, against loops over pixels."""

import numpy as np
import pytest

from alexnet.baselines.grid import Grid, box, grey, scaled, triangle, unit


@pytest.mark.parametrize(("side", "largest"), [(32, 96), (96, 96), (256, 256), (400, 316)])
def test_an_image_is_brought_to_100000_pixels_at_most_and_each_scale_is_smaller_by_the_root_of_2(side, largest):
    image = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
    sides = [len(each) for each in scaled(image, 5)]
    assert sides == [round(largest / 2 ** (number / 2)) for number in range(5)]
    assert largest**2 <= 100_000
    assert side != largest or (scaled(image, 1)[0] == image).all()


@pytest.mark.parametrize(
    ("cell", "cells", "step", "side"), [(6, 4, 4, 41), (8, 2, 8, 33), (16, 1, 5, 40), (4, 3, 7, 12)]
)
@pytest.mark.parametrize("shape", [triangle, box])
def test_pool_sums_each_cell_of_each_patch(cell, cells, step, side, shape):
    maps = np.random.default_rng(side).normal(size=(2, side, side))
    window = shape(cell).astype(np.float64)
    pooled = Grid(cell, cells, step).pool(maps, window)
    patches = (side - cell * cells) // step + 1
    wanted = np.zeros((patches, patches, cells, cells, 2))
    margin = (len(window) - cell) // 2
    for row, column, down, right in np.ndindex(patches, patches, cells, cells):
        top, left = row * step + down * cell - margin, column * step + right * cell - margin
        for i, j in np.ndindex(len(window), len(window)):
            if 0 <= top + i < side and 0 <= left + j < side:
                wanted[row, column, down, right] += window[i] * window[j] * maps[:, top + i, left + j]
    np.testing.assert_allclose(pooled, wanted.reshape(patches**2, -1), rtol=0, atol=1e-12)


def test_a_triangle_shares_each_pixel_out_between_the_cells_about_it():
    sums = np.zeros(60)
    for start in range(0, 40, 6):
        sums[start + 3 : start + 15] += triangle(6)
    np.testing.assert_allclose(sums[12:36], 1, atol=1e-6)


def test_places_are_the_centres_of_the_patches():
    places = Grid(6, 4, 4).places(32)
    assert places.shape == (9, 2)
    np.testing.assert_allclose(places[1], [12 / 32, 16 / 32])
    np.testing.assert_allclose(places[-1], [20 / 32, 20 / 32])


def test_grey_is_the_luminance():
    image = np.zeros((1, 3, 3), np.uint8)
    image[0, 0, 0] = image[0, 1, 1] = image[0, 2, 2] = 255
    np.testing.assert_allclose(grey(image), [[0.299, 0.587, 0.114]], rtol=1e-6)


def test_unit_leaves_nothing_of_what_is_too_short():
    np.testing.assert_allclose(unit(np.array([[3.0, 4.0], [1e-9, 0.0]])), [[0.6, 0.8], [0, 0]])
