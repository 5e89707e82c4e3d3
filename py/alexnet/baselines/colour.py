"""Statistics of colour in the same patches as SIFT's (Perronnin et al. 2010)."""

import numpy as np

from alexnet.baselines.grid import Floats, Grid, box
from alexnet.baselines.sift import CELL, CELLS
from alexnet.data.format import Pixels


def colour(image: Pixels, step: int) -> Floats:
    """(patches, 96) of an image (S, S, 3): mean and deviation of R, G and B, 0..1, in each of 4x4 cells."""
    values = image.transpose(2, 0, 1) / 255.0 - 0.5  # float64 about 0: the squares' difference is the variance
    moments = Grid(CELL, CELLS, step).pool(np.concatenate([values, values**2]), box(CELL))
    mean, square = np.split(moments.reshape(len(moments), CELLS**2, 6), 2, axis=2)
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return np.concatenate([mean, deviation], axis=2).reshape(len(moments), -1).astype(np.float32)
