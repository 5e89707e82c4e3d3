"""Local binary patterns (Ojala et al. 2002), dense: histograms of the uniform patterns of eight neighbours."""

import numpy as np
from numpy.typing import NDArray

from alexnet.baselines.grid import Floats, Grid, box

PATCH, NEIGHBOURS = 16, 8
UNIFORM = NEIGHBOURS * (NEIGHBOURS - 1) + 2  # 58 patterns of at most two changes around the ring; the rest are one


def lbp(image: Floats, step: int) -> Floats:
    """(patches, 59) of a grey image (S, S): the square root of each pattern's share of 16x16 pixels."""
    one_hot = (patterns(image) == np.arange(UNIFORM + 1)[:, None, None]).astype(np.float32)
    return np.sqrt(Grid(PATCH, 1, step).pool(one_hot, box(PATCH)))


def patterns(image: Floats) -> NDArray[np.intp]:
    """(S, S): each pixel's pattern, 0..57 if uniform, 58 otherwise.

    Bit i of eight: the point at distance 1 and angle 45 i degrees, from the right against the clock, is at least as
    bright as the centre. Between pixels it is interpolated, beyond the image it is 0.
    """
    codes = np.zeros(image.shape, np.intp)
    ringed = np.pad(image, 1)
    for bit in range(NEIGHBOURS):
        angle = 2 * np.pi * bit / NEIGHBOURS
        codes |= (_moved(ringed, -np.sin(angle), np.cos(angle)) >= image).astype(np.intp) << bit
    numbers: NDArray[np.intp] = _numbers()[codes]
    return numbers


def _moved(ringed: Floats, down: float, right: float) -> Floats:
    """(S, S) of an image with a ring about it: the value so far from each pixel, by linear interpolation.

    In the form a + t (b - a), which is exact where all are equal, as in the white of a photograph.
    """
    top, left = int(np.floor(round(down, 9))), int(np.floor(round(right, 9)))
    below, beside = np.float32(round(down - top, 9)), np.float32(round(right - left, 9))

    def corner(row: int, column: int) -> Floats:
        row, column = min(row, 1), min(column, 1)  # beyond it the share is 0
        return ringed[1 + row : ringed.shape[0] - 1 + row, 1 + column : ringed.shape[1] - 1 + column]

    upper = corner(top, left) + beside * (corner(top, left + 1) - corner(top, left))
    lower = corner(top + 1, left) + beside * (corner(top + 1, left + 1) - corner(top + 1, left))
    return upper + below * (lower - upper)


def _numbers() -> NDArray[np.intp]:
    """(256): the number of each of the 2^8 rings, uniform ones first in the order of their bits."""
    rings = np.arange(2**NEIGHBOURS)
    bits = rings[:, None] >> np.arange(NEIGHBOURS) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, UNIFORM)
