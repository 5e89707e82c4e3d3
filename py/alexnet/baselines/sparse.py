"""Locality-constrained coding (Wang et al. 2010; Lin et al. 2011): a descriptor by its nearest codewords alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet.baselines import pyramid
from alexnet.baselines.grid import Floats, Places
from alexnet.baselines.kmeans import kmeans, scores

NEAREST = 5
RIDGE = 1e-4


def codes(rows: Floats, codebook: Floats) -> tuple[NDArray[np.intp], Floats]:
    """The five nearest codewords (n, 5) of each row, and its weights on them (n, 5), of sum 1.

    The weights whose mixture of codewords b comes nearest to x: C w = 1, then w / sum(w), where
    C = (b - x)(b - x)^T + 1e-4 trace I.
    """
    words = _nearest(scores(rows, codebook))
    away = codebook[words] - rows[:, None]
    products = away @ away.transpose(0, 2, 1)
    trace = np.trace(products, axis1=1, axis2=2)
    ridge = RIDGE * trace + np.finfo(rows.dtype).tiny ** 0.5  # where x is each of its codewords, all weigh the same
    products += ridge[:, None, None] * np.eye(NEAREST, dtype=rows.dtype)
    weights = np.linalg.solve(products, np.ones((len(rows), NEAREST, 1), rows.dtype))[:, :, 0]
    return words, weights / weights.sum(axis=1, keepdims=True)


def _nearest(distances: Floats) -> NDArray[np.intp]:
    """(n, 5): the columns of the smallest five of each row, which are overwritten.

    Five passes for a smallest: an eighth of the time of NumPy's partition, which is not vectorised by rows.
    """
    every, words = np.arange(len(distances)), np.empty((len(distances), NEAREST), np.intp)
    for place in range(NEAREST):
        words[:, place] = distances.argmin(axis=1)
        distances[every, words[:, place]] = np.inf
    return words


@dataclass(frozen=True)
class SparseCoder:
    """Descriptors of an image to its signature: each codeword's largest weight in each cell of a pyramid."""

    codebook: Floats
    cells: pyramid.Pyramid

    @property
    def length(self) -> int:
        """Values of a signature."""
        return len(self.codebook) * pyramid.size(self.cells)

    def __call__(self, rows: Floats, places: Places) -> Floats:
        """(length): of length 1; a codeword without a descriptor in a cell is 0 there."""
        words, weights = codes(rows, self.codebook)
        pooled = []
        for count, cell in pyramid.levels(self.cells, places):
            largest = np.zeros(count * len(self.codebook), np.float32)
            np.maximum.at(largest, cell[:, None] * len(self.codebook) + words, weights)
            pooled.append(largest)
        signature = np.concatenate(pooled)
        return signature / max(float(np.linalg.norm(signature)), 1e-12)


@dataclass(frozen=True)
class SparsePlan:
    """What to learn for sparse coding: so many codewords by k-means."""

    codewords: int
    rounds: int
    cells: pyramid.Pyramid

    def learn(self, rows: Floats, seed: int) -> SparseCoder:
        """The coder from a sample (n, D) of the training images' descriptors."""
        return SparseCoder(kmeans(rows, self.codewords, seed, self.rounds), self.cells)
