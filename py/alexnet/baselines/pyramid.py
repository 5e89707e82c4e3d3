"""Cells of an image, coarse to fine (Lazebnik et al. 2006): what lies in each is summed up on its own."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from alexnet.baselines.grid import Places

Pyramid = Sequence[tuple[int, int]]  # rows and columns of cells of each level


def size(pyramid: Pyramid) -> int:
    """How many cells there are."""
    return sum(down * across for down, across in pyramid)


def levels(pyramid: Pyramid, places: Places) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Of each level its cells' count, and the cell (n) in which each place (n, 2) of 0..1 lies, row by row."""
    for down, across in pyramid:
        row, column = np.minimum((places * (down, across)).astype(np.intp), (down - 1, across - 1)).T
        yield down * across, row * across + column
