"""Mean and colour axes of the training set, from sums of integers: exact, so in any order the same.

Section 2: the mean activity over the training set, pixel by pixel. Section 4.1: PCA on the set of RGB
values of all pixels of the training set; eigenvalues of the 3x3 covariance of values 0..255.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet.data.format import Pixels
from alexnet.engines import native


@dataclass
class Sums:
    """Sums over `count` images (S, S, 3): of each pixel, and of the products of each pixel's channels."""

    count: int
    pixels: NDArray[np.uint64]
    products: NDArray[np.uint64]

    @classmethod
    def none(cls, size: int) -> "Sums":
        """No images yet."""
        return cls(0, np.zeros((size, size, 3), np.uint64), np.zeros((3, 3), np.uint64))

    def add(self, images: Pixels) -> None:
        """Add images (n, S, S, 3), no more than 2^24 at once."""
        native.module().add_sums(images, self.pixels, self.products)
        self.count += len(images)

    def merge(self, other: "Sums") -> None:
        """Add the images of another sum."""
        self.count += other.count
        self.pixels += other.pixels
        self.products += other.products

    def mean(self) -> NDArray[np.float32]:
        """The mean image (S, S, 3)."""
        return (self.pixels / np.float64(self.count)).astype(np.float32)

    def covariance(self) -> NDArray[np.float64]:
        """Covariance (3, 3) of the RGB values of all pixels, about each channel's mean, over their number."""
        size = len(self.pixels)
        number = self.count * size * size
        totals = [int(total) for total in self.pixels.sum(axis=(0, 1))]
        products = self.products.tolist()
        return np.array(
            [[(number * products[a][b] - totals[a] * totals[b]) / number**2 for b in range(3)] for a in range(3)]
        )


def colour_axes(covariance: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues (3), descending, and eigenvectors (3, 3) in columns, of a covariance.

    Each vector's first component that is at least half its largest is positive.
    """
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1].copy()
    for column in vectors.T:
        leading = column[np.abs(column) >= 0.5 * np.abs(column).max()][0]
        column *= np.sign(leading)
    return values, vectors
