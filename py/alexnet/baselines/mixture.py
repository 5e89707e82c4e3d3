"""A mixture of Gaussians with diagonal covariances, by expectation-maximisation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet.baselines.grid import Floats
from alexnet.baselines.kmeans import blocks, kmeans

FLOOR = 1e-6  # added to every variance
START_ROUNDS = 10


@dataclass(frozen=True)
class Mixture:
    """`weights` (K) of sum 1, `means` and `variances` (K, D)."""

    weights: Floats
    means: Floats
    variances: Floats

    def posteriors(self, rows: Floats) -> Floats:
        """(n, K): the probability of each Gaussian given each row of (n, D)."""
        logs = self._log_joint(rows)
        logs -= logs.max(axis=1, keepdims=True)
        np.exp(logs, out=logs)
        logs /= logs.sum(axis=1, keepdims=True)
        return logs

    def _log_joint(self, rows: Floats) -> Floats:
        """log of weight times density, less D/2 log 2 pi, as two products."""
        precisions = 1 / self.variances
        constant = (
            np.log(self.weights) + 0.5 * np.log(precisions).sum(axis=1) - 0.5 * (self.means**2 * precisions).sum(axis=1)
        )
        logs: Floats = rows @ (self.means * precisions).T - 0.5 * (rows**2 @ precisions.T) + constant
        return logs


def fit(rows: Floats, count: int, seed: int, rounds: int) -> Mixture:
    """`count` Gaussians after so many rounds of EM on rows (n, D), begun from k-means with the rows' own variance."""
    means = kmeans(rows, count, seed, START_ROUNDS)
    variance = rows.var(axis=0, dtype=np.float64) + FLOOR
    start = Mixture(
        np.full(count, 1 / count, rows.dtype), means, np.broadcast_to(variance, means.shape).astype(rows.dtype)
    )
    return improved(rows, start, rounds)


def improved(rows: Floats, mixture: Mixture, rounds: int) -> Mixture:
    """The mixture after so many rounds: weights, means and variances become those of its posteriors' shares."""
    for _ in range(rounds):
        mass, first, second = moments(rows, mixture)
        mass = mass + 10 * np.finfo(np.float64).eps
        means = first / mass[:, None]
        variances = np.maximum(second / mass[:, None] - means**2, 0) + FLOOR
        kind = rows.dtype
        mixture = Mixture((mass / mass.sum()).astype(kind), means.astype(kind), variances.astype(kind))
    return mixture


def moments(rows: Floats, mixture: Mixture) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Sums over rows of the posteriors (K), of posteriors times rows and times their squares (K, D)."""
    mass = np.zeros(len(mixture.weights))
    first, second = np.zeros(mixture.means.shape), np.zeros(mixture.means.shape)
    for part in blocks(rows):
        shares = mixture.posteriors(part)
        mass += shares.sum(axis=0, dtype=np.float64)
        first += shares.T @ part
        second += shares.T @ part**2
    return mass, first, second
