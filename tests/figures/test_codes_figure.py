"""The picture of what codes find: each way's images in a row of their own, right of their query."""

import numpy as np
import pytest
from PIL import Image

from alexnet.figures.codes import RIGHT, Found, codes_figure

RED, GREEN, BLUE, YELLOW = (200, 0, 0), (0, 200, 0), (0, 0, 200), (220, 220, 0)


def flat(colour):
    return np.full((32, 32, 3), colour, np.uint8)


def where(path, colour):
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB")).astype(int)
    return np.argwhere((abs(picture - np.array(colour)) <= 3).all(axis=-1))


def found(colour, count, alike=False):
    return Found([flat(colour)] * count, ["$x"] * count, [alike] * count)


def test_a_row_for_each_way_right_of_the_query(tmp_path):
    path = tmp_path / "c.png"
    searches = [{"by distance": found(GREEN, 3), "by code": found(BLUE, 2)}, {"by distance": found(YELLOW, 3)}]
    codes_figure([flat(RED), flat(RED)], ["a", "b"], searches, path)
    red, green, blue, yellow = (where(path, colour) for colour in (RED, GREEN, BLUE, YELLOW))
    assert len(green) == pytest.approx(1.5 * len(blue), rel=0.02) == pytest.approx(len(yellow), rel=0.02)
    assert len(red) == pytest.approx(len(blue), rel=0.02)
    assert red[:, 1].max() < green[:, 1].min() == blue[:, 1].min() == yellow[:, 1].min()
    assert green[:, 0].max() < blue[:, 0].min() and blue[:, 0].max() < yellow[:, 0].min()
    assert red[:, 0].min() == green[:, 0].min() and red[:, 0].max() == yellow[:, 0].max()


def test_names_of_the_querys_class_are_red(tmp_path):
    path, red = tmp_path / "c.png", [int(RIGHT[at : at + 2], 16) for at in (1, 3, 5)]
    seen = {}
    for alike in (False, True):
        codes_figure([flat(BLUE)], ["q"], [{"by code": found(GREEN, 2, alike)}], path)
        seen[alike] = len(where(path, red))
    assert seen[False] == 0 < seen[True]
