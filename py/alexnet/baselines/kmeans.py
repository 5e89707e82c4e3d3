"""K-means (Lloyd): the codewords of descriptors, and where a mixture begins."""

import numpy as np

from alexnet.baselines.grid import Floats

BLOCK = 16_384
FIRST_WORDS = 1  # a purpose of random numbers


def kmeans(rows: Floats, count: int, seed: int, rounds: int) -> Floats:
    """(count, D): centres after so many rounds from `count` different rows of (n, D)."""
    chosen = np.random.default_rng([seed, FIRST_WORDS]).choice(len(rows), count, replace=False)
    return lloyd(rows, rows[np.sort(chosen)], rounds)


def lloyd(rows: Floats, centres: Floats, rounds: int) -> Floats:
    """Centres (K, D) after so many rounds: each becomes the mean of the rows it is nearest to, if there are any."""
    for _ in range(rounds):
        nearest = np.concatenate([scores(part, centres).argmin(axis=1) for part in blocks(rows)])
        counts = np.bincount(nearest, minlength=len(centres))[:, None]
        order = np.argsort(nearest, kind="stable")
        filled = np.flatnonzero(counts)
        starts = np.searchsorted(nearest[order], filled)
        moved = centres.copy()
        moved[filled] = np.add.reduceat(rows[order], starts, axis=0, dtype=np.float64) / counts[filled]
        centres = moved
    return centres


def scores(rows: Floats, centres: Floats) -> Floats:
    """(n, K): squared distances less each row's own square, which changes no order: |c|^2 - 2 x.c."""
    distances: Floats = (centres**2).sum(axis=1) - 2 * (rows @ centres.T)
    return distances


def blocks(rows: Floats) -> list[Floats]:
    """The rows in parts small enough for a product with all centres."""
    return [rows[at : at + BLOCK] for at in range(0, len(rows), BLOCK)]
