"""The views of an image written out, and a split asked for in parts."""

import numpy as np
import pytest

from alexnet.predict.predictor import centre_crop, predict_split, ten_crops


def views(crops):
    return [(*map(int, offset), bool(reflect)) for offset, reflect in zip(crops.offsets, crops.reflect, strict=True)]


def test_the_ten_views_of_the_paper():
    """Section 4.1: the corners and the centre of 256 pixels, and their reflections, in this order."""
    five = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    assert views(ten_crops(256, 224)) == [(*at, False) for at in five] + [(*at, True) for at in five]
    assert views(centre_crop(256, 224)) == [(16, 16, False)]
    assert views(centre_crop(256, 227)) == [(14, 14, False)]


class Numbered:
    """A split whose images are their own numbers."""

    def image(self, index):
        return index


@pytest.mark.parametrize(
    "chosen", [range(0), range(1), range(64), range(65), range(150), range(70, 200), range(3, 130)]
)
def test_every_image_of_a_split_is_asked_once_and_in_order(chosen):
    told = []
    found = predict_split(lambda images: np.array(images, np.float32)[:, None], Numbered(), chosen, told.append)
    assert found[:, :1].ravel().tolist() == list(chosen) and sum(told) == len(chosen)
