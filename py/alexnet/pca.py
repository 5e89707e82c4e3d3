"""Principal components of rows of values: the mean, and the axes of largest variance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

BLOCK = 65_536  # rows whose products are summed at once in float64


@dataclass(frozen=True)
class Pca:
    """`mean` (D), `axes` (D, d) in columns of length 1."""

    mean: Floats
    axes: Floats

    def __call__(self, rows: Floats) -> Floats:
        """(n, d): rows (n, D) along the axes, about the mean."""
        along: Floats = (rows - self.mean) @ self.axes
        return along


def fit(rows: Floats, dims: int) -> Pca:
    """The axes of the `dims` largest variances of rows (n, D), each with its largest entry above 0."""
    mean = rows.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((rows.shape[1], rows.shape[1]))
    for at in range(0, len(rows), BLOCK):
        about = rows[at : at + BLOCK] - mean
        scatter += about.T @ about
    _, vectors = scipy.linalg.eigh(scatter, subset_by_index=(len(scatter) - dims, len(scatter) - 1))  # ascending
    axes = vectors[:, ::-1]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], 0)
    return Pca(mean.astype(rows.dtype), (axes * np.sign(largest)).astype(rows.dtype))
