"""Specialisation of the columns (section 6.1, Fig. 3): how much of each first-layer kernel is colour."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import Failure
from alexnet.experiments.jobs import Job
from alexnet.experiments.lab import Lab

HALVES = 2000


@dataclass(frozen=True)
class Apart:
    """How far apart the columns' mean shares of colour are, and random halves: on average, and 95 % of them at most."""

    difference: float
    expected: float
    threshold: float


def colour_share(kernels: NDArray[np.float32]) -> NDArray[np.float64]:
    """(K): of kernels (K, 3, h, w) the share of sum w^2 that is not the same in red, green and blue.

    0 for a grey kernel, 1 for one whose channels add up to nothing everywhere.
    """
    squares = kernels.astype(np.float64) ** 2
    grey = 3 * kernels.mean(axis=1, dtype=np.float64) ** 2
    shares: NDArray[np.float64] = 1 - grey.sum(axis=(1, 2)) / np.maximum(squares.sum(axis=(1, 2, 3)), 1e-30)
    return shares


def columns_apart(kernels: NDArray[np.float32], columns: int) -> Apart:
    """Of first-layer kernels (K, 3, h, w), column 1's before column 2's."""
    shares = colour_share(kernels)

    def difference(order: NDArray[np.intp]) -> float:
        means = [part.mean() for part in np.array_split(shares[order], columns)]
        return float(max(means) - min(means))

    draws = np.random.default_rng(0)
    halves = [difference(draws.permutation(len(shares))) for _ in range(HALVES)]
    own = difference(np.arange(len(shares)))
    return Apart(own, float(np.mean(halves)), float(np.quantile(halves, 0.95)))


def first_kernels(lab: Lab, job: Job) -> tuple[NDArray[np.float32], int]:
    """A run's first-layer kernels, and its number of columns. Raises Failure where its lowest weights are others."""
    trained = lab.open(job).trained
    first = trained.recipe.net.first_kernels
    if first is None:
        raise Failure(f"{job.name}: its lowest weights are no convolution's, so that no kernel sees the image")
    return trained.checkpoint.weights[f"{first}.weight"], trained.recipe.net.columns
