"""Pictures for nets of other programs, and what these see of them."""

import numpy as np


def squares():
    """Three squares of 256 whose colours differ: a net that takes red for blue says something else."""
    rng = np.random.default_rng(2)
    colours = np.array([[1.0, 0.6, 0.2], [0.2, 1.0, 0.6], [0.6, 0.2, 1.0]])
    coarse = rng.integers(0, 256, (3, 32, 32, 3)) * colours[:, None, None]
    return list(np.kron(coarse, np.ones((1, 8, 8, 1))).astype(np.uint8))


def crop(images, side):
    """The centres, (n, 3, side, side) float32 of 0..255, RGB."""
    start = (256 - side) // 2
    return np.stack([each[start : start + side, start : start + side] for each in images]).transpose(0, 3, 1, 2) * 1.0
