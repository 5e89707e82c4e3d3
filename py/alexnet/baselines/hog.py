"""Histograms of oriented gradients (Dalal and Triggs 2005), dense: every block of the image is a descriptor."""

import numpy as np

from alexnet.baselines.grid import Floats, Grid, box

CELL, CELLS, ORIENTATIONS = 8, 2, 9
CLIP, EPSILON = 0.2, 1e-5


def hog(image: Floats, step: int) -> Floats:
    """(patches, 36) of a grey image (S, S) 0..1: 2x2 cells of 8x8 pixels, nine orientations of 20 degrees each.

    Differences of the neighbours, 0 at the edges; each pixel votes with its gradient's length for one orientation.
    A block is scaled to length 1, cut at 0.2, and scaled again.
    """
    down, right = np.zeros_like(image), np.zeros_like(image)
    down[1:-1] = image[2:] - image[:-2]
    right[:, 1:-1] = image[:, 2:] - image[:, :-2]
    angle = np.degrees(np.arctan2(down, right)) % 180
    bins = np.minimum((angle * (ORIENTATIONS / 180)).astype(np.intp), ORIENTATIONS - 1)
    maps = np.zeros((ORIENTATIONS, *image.shape), image.dtype)
    np.put_along_axis(maps, bins[None], np.hypot(down, right)[None], axis=0)
    blocks = Grid(CELL, CELLS, step).pool(maps, box(CELL))
    return _scaled(np.minimum(_scaled(blocks), CLIP))


def _scaled(blocks: Floats) -> Floats:
    rows: Floats = blocks / np.sqrt((blocks**2).sum(axis=1, keepdims=True) + EPSILON**2)
    return rows
