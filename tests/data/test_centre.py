"""The engine's squares are those of the Pillow that is installed, byte by byte; another Pillow does its own."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from samples import Pixels, photo

from alexnet.data import centre


def pillows(pixels: Pixels, size: int) -> Pixels:
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    image = Image.fromarray(pixels)
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))


def ours(pixels: Pixels, size: int) -> Pixels:
    out = np.full((size, size, 3), 77, np.uint8)
    centre.cut(pixels, out)
    return out


@pytest.fixture(params=["engine", "pillow"])
def anew(request, monkeypatch):
    """By the engine, and as where no order of the directions gives the installed Pillow's bytes."""
    assert centre.order() is not None, "this Pillow is known"
    if request.param == "pillow":
        monkeypatch.setattr(centre, "order", lambda: None)


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize("size", [16, 33])
@pytest.mark.parametrize("width, height", [(40, 31), (31, 40), (9, 57), (57, 9), (33, 100), (1, 7), (15, 33), (65, 64)])
def test_colours_and_greys_are_pillows(width: int, height: int, size: int) -> None:
    pixels = photo(width, height, width)
    assert (ours(pixels, size) == pillows(pixels, size)).all()
    grey = pixels[:, :, 1]
    assert (ours(grey, size) == pillows(np.ascontiguousarray(grey), size)[..., None]).all()


def test_the_order_changes_where_pillow_changes_it() -> None:
    """Around the border, for sides above and below the square's."""
    for width in (9, 16, 19):
        for height in range(12, 40):
            pixels = photo(width, height, height)
            assert (ours(pixels, 16) == pillows(pixels, 16)).all(), (width, height)


@pytest.mark.parametrize("rule", [centre.thirteen, centre.before])
def test_the_order_is_that_of_the_pillow_at_hand(monkeypatch, rule) -> None:
    """Either of them is known by its bytes; a Pillow with others does the work itself."""

    def another(pixels: Pixels, out: Pixels) -> None:
        centre._by_engine(pixels, out, rule)

    monkeypatch.setattr(centre, "by_pillow", another)
    assert centre.order.__wrapped__() is rule
    changed: list[NDArray[np.uint8]] = []

    def a_bit_off(pixels: Pixels, out: Pixels) -> None:
        another(pixels, out)
        out[-1, -1, -1] ^= 1
        changed.append(out)

    monkeypatch.setattr(centre, "by_pillow", a_bit_off)
    assert centre.order.__wrapped__() is None and changed
