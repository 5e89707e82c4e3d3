"""Local binary patterns against scikit-image's."""

import warnings

import numpy as np
import pytest
import skimage.feature

from alexnet.baselines.lbp import lbp, patterns


@pytest.mark.parametrize("side", [16, 33, 64])
def test_patterns_are_scikit_images_under_other_numbers(side):
    """Random values: none is equal to its neighbour, where rounding would decide."""
    image = np.random.default_rng(side).uniform(0.1, 1, (side, side))
    ours = patterns(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that are no integers may be equal but for rounding: not these
        theirs = skimage.feature.local_binary_pattern(image, 8, 1, "nri_uniform").astype(int)
    pairs = set(zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True))
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    assert (58, 58) in pairs  # what is not uniform


def test_an_even_image_has_one_pattern_inside():
    """Also where its value is no sum of quarters: interpolation is exact between equal pixels."""
    inside = patterns(np.full((20, 20), 0.1234567, np.float32))[1:-1, 1:-1]
    assert (inside == 57).all()  # of eight that are at least as bright: the last of the uniform ones


def test_a_patch_has_the_roots_of_its_patterns_shares():
    image = np.random.default_rng(5).uniform(0, 1, (29, 29)).astype(np.float32)
    found = lbp(image, 6).reshape(3, 3, 59)
    numbers = patterns(image)
    for row, column in np.ndindex(3, 3):
        patch = numbers[6 * row : 6 * row + 16, 6 * column : 6 * column + 16]
        wanted = np.sqrt(np.bincount(patch.ravel(), minlength=59) / 256)
        np.testing.assert_allclose(found[row, column], wanted, rtol=0, atol=1e-6)
