"""HOG against scikit-image's."""

import numpy as np
import pytest
import skimage.feature

from alexnet.baselines.hog import hog


@pytest.mark.parametrize("side", [16, 24, 65, 90])
def test_blocks_are_scikit_images(side):
    image = np.random.default_rng(side).uniform(0, 1, (side, side))
    wanted = skimage.feature.hog(image, 9, (8, 8), (2, 2), block_norm="L2-Hys", feature_vector=False)
    np.testing.assert_allclose(hog(image, 8), wanted.reshape(-1, 36), rtol=0, atol=1e-5)


def test_smaller_steps_are_the_same_blocks_of_a_moved_image():
    """Inside, where neither image's edge is in the block's gradients."""
    image = np.random.default_rng(1).uniform(0, 1, (40, 40))
    whole = hog(image, 4).reshape(7, 7, 36)
    moved = hog(image[4:, 4:], 8).reshape(3, 3, 36)
    np.testing.assert_allclose(whole[3:6:2, 3:6:2], moved[1:, 1:], rtol=0, atol=1e-12)


def test_an_even_image_is_0():
    assert not hog(np.full((32, 32), 0.3, np.float32), 4).any()
