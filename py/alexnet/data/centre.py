"""The centre of an image as a square (section 2), by Pillow's bicubic resampling.

The engine does it in a fraction of the time, to the same bytes. Those hang on which direction comes first, which
releases of Pillow choose in two ways; where neither gives what the installed one gives, it does the work itself.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from alexnet.data.format import Pixels
from alexnet.engines import native

DownFirst = Callable[[int, int, int], bool]  # whether the rows of an image (height, width) for a square of `size` are


def thirteen(height: int, width: int, size: int) -> bool:
    """Since release 13: where that leaves fewer pixels to the other direction."""
    return height - size > 2 * max(width - size, 0)


def before(height: int, width: int, size: int) -> bool:
    """Never, in earlier ones."""
    return False


PROBES = ((31, 23, 16), (30, 23, 16), (23, 60, 16), (17, 9, 16), (9, 12, 16))  # either side of the borders


def cut(pixels: Pixels, out: Pixels) -> None:
    """Bring the shorter side of `pixels` (H, W) or (H, W, 3) to S and write the centre into `out` (S, S, 3).

    Raises MemoryError.
    """
    if (down_first := order()) is not None:
        _by_engine(pixels, out, down_first)
    else:
        by_pillow(pixels, out)


@cache
def order() -> DownFirst | None:
    """That of the installed Pillow; None where it is another, or its bytes are others."""
    return next((each for each in (thirteen, before) if all(_agree(each, *probe) for probe in PROBES)), None)


def _agree(down_first: DownFirst, height: int, width: int, size: int) -> bool:
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    ours, theirs = np.empty((2, size, size, 3), np.uint8)
    _by_engine(pixels, ours, down_first)
    by_pillow(pixels, theirs)
    return bool((ours == theirs).all())


def _box(pixels: Pixels) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the centre."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _by_engine(pixels: Pixels, out: Pixels, down_first: DownFirst) -> None:
    height, width = pixels.shape[:2]
    (left, top, right, bottom), first = _box(pixels), down_first(height, width, len(out))
    image = np.ascontiguousarray(pixels).reshape(height, width, -1)
    square = out if image.shape[2] == 3 else np.empty((*out.shape[:2], 1), np.uint8)
    native.module().resample(image, square, left=left, top=top, right=right, bottom=bottom, down_first=first)
    if square is not out:
        _spread(square[:, :, 0], out)


def by_pillow(pixels: Pixels, out: Pixels) -> None:
    """The definition."""
    image = Image.fromarray(pixels).resize(out.shape[:2], Image.Resampling.BICUBIC, box=_box(pixels))
    square = np.asarray(image)
    if square.ndim == 3:
        out[:] = square
    else:
        _spread(square, out)


def _spread(grey: Pixels, out: Pixels) -> None:
    for channel in range(3):  # five times as fast as one broadcast assignment
        out[:, :, channel] = grey
