"""Dense SIFT (Lowe 2004): histograms of the gradient's direction in 4x4 cells of 24x24 patches."""

import numpy as np

from alexnet.baselines.grid import Floats, Grid, triangle, unit

CELL, CELLS, DIRECTIONS = 6, 4, 8
CLIP = 0.2
FAINT = 0.005  # a patch whose gradients sum to less has no direction worth a name: it is 0


def sift(image: Floats, step: int) -> Floats:
    """(patches, 128) of a grey image (S, S) 0..1: cells row by row, eight directions each, of length 1 or 0.

    A pixel's gradient is shared out by distance between the cells about it and between the two nearest directions;
    cells weigh by a Gaussian of two cells' deviation about the patch's centre. Then length 1, at most 0.2, length 1.
    """
    histograms = Grid(CELL, CELLS, step).pool(_directions(image), triangle(CELL) / CELL)
    weighted = histograms * np.repeat(_cell_weights(), DIRECTIONS)
    return unit(np.minimum(unit(weighted, FAINT), CLIP))


def _directions(image: Floats) -> Floats:
    """(8, S, S): the gradient's length, shared between the two directions next to its own."""
    down, right = np.gradient(image)
    length = np.hypot(down, right).ravel()
    turn = (np.arctan2(down, right) * np.float32(DIRECTIONS / (2 * np.pi)) % DIRECTIONS).ravel()
    lower = np.floor(turn).astype(np.intp)
    upper_share = (turn - lower) * length
    maps = np.zeros((DIRECTIONS, image.size), image.dtype)
    pixel = np.arange(image.size)
    maps[lower % DIRECTIONS, pixel] = length - upper_share
    maps[(lower + 1) % DIRECTIONS, pixel] += upper_share
    return maps.reshape(DIRECTIONS, *image.shape)


def _cell_weights() -> Floats:
    """(16): the Gaussian at each cell's centre."""
    along = np.arange(CELLS) - (CELLS - 1) / 2
    weights = np.exp(-(along**2) / (2 * (CELLS / 2) ** 2))
    return np.outer(weights, weights).ravel().astype(np.float32)
