"""Fisher vectors (Perronnin et al. 2010; Sanchez and Perronnin 2011): how an image's descriptors would move a mixture.

    G_mean = sum_t p_t (x_t - m) / s / (T sqrt(w)),   G_deviation = sum_t p_t ((x_t - m)^2 / s^2 - 1) / (T sqrt(2 w))

for each Gaussian of weight w, mean m and deviation s, p_t its posterior given descriptor x_t.
"""

from dataclasses import dataclass

import numpy as np

from alexnet import pca
from alexnet.baselines import mixture, pyramid
from alexnet.baselines.grid import Floats, Places
from alexnet.baselines.mixture import Mixture
from alexnet.pca import Pca


def fisher_vector(rows: Floats, posteriors: Floats, model: Mixture) -> Floats:
    """(2 K D): the gradients to all means, then to all deviations, of rows (T, D) with their posteriors (T, K)."""
    mass = posteriors.sum(axis=0)[:, None]
    first, second = posteriors.T @ rows, posteriors.T @ rows**2
    means, variances, weights = model.means, model.variances, model.weights[:, None]
    to_means = (first - mass * means) / np.sqrt(variances * weights)
    to_deviations = (second - 2 * means * first + mass * (means**2 - variances)) / (variances * np.sqrt(2 * weights))
    gradients: Floats = np.concatenate([to_means.ravel(), to_deviations.ravel()]) / max(len(rows), 1)
    return gradients


def evened(vector: Floats) -> Floats:
    """The signed square root, scaled to length 1 (0 remains 0)."""
    rooted = np.sign(vector) * np.sqrt(np.abs(vector))
    length = np.linalg.norm(rooted)
    return rooted / length if length > 0 else rooted


@dataclass(frozen=True)
class FisherCoder:
    """Descriptors of an image to its signature: a Fisher vector for each cell of a pyramid."""

    pca: Pca
    mixture: Mixture
    cells: pyramid.Pyramid

    @property
    def length(self) -> int:
        """Values of a signature."""
        return 2 * self.mixture.means.size * pyramid.size(self.cells)

    def __call__(self, rows: Floats, places: Places) -> Floats:
        """(length): of length 1, the cells' vectors with equal shares; those of cells without a descriptor are 0."""
        reduced = self.pca(rows)
        posteriors = self.mixture.posteriors(reduced)
        vectors = []
        for count, cell in pyramid.levels(self.cells, places):
            for number in range(count):
                inside = cell == number
                vectors.append(evened(fisher_vector(reduced[inside], posteriors[inside], self.mixture)))
        return np.concatenate(vectors) / np.float32(np.sqrt(len(vectors)))


@dataclass(frozen=True)
class FisherPlan:
    """What to learn for Fisher vectors: `gaussians` over `dims` principal components."""

    dims: int
    gaussians: int
    rounds: int
    cells: pyramid.Pyramid

    def learn(self, rows: Floats, seed: int) -> FisherCoder:
        """The coder from a sample (n, D) of the training images' descriptors."""
        axes = pca.fit(rows, self.dims)
        return FisherCoder(axes, mixture.fit(axes(rows), self.gaussians, seed, self.rounds), self.cells)
