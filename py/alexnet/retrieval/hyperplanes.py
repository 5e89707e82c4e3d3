"""Codes by the sides of hyperplanes, to compare the autoencoder's with: random ones, principal axes, rotated ones."""

from dataclasses import dataclass

import numpy as np

from alexnet.pca import Pca
from alexnet.retrieval.features import Floats
from alexnet.retrieval.packing import Bits

PLANES, ROTATION = 1, 2  # purposes of random numbers
ROUNDS = 50


@dataclass(frozen=True)
class Hyperplanes:
    """`mean` (d), through which all go, and their normals `planes` (d, bits)."""

    mean: Floats
    planes: Floats

    def __call__(self, rows: Floats) -> Bits:
        """(n, bits): on which side of each plane each row (n, d) lies."""
        bits: Bits = (rows - self.mean) @ self.planes > 0
        return bits


def random(rows: Floats, bits: int, seed: int) -> Hyperplanes:
    """Locality-sensitive hashing (Charikar 2002): planes through the mean in directions of no choice."""
    normals = np.random.default_rng([seed, PLANES]).standard_normal((rows.shape[1], bits), np.float32)
    return Hyperplanes(rows.mean(axis=0), normals)


def principal(axes: Pca, bits: int) -> Hyperplanes:
    """The signs of the first principal components; nothing is random."""
    return Hyperplanes(axes.mean, axes.axes[:, :bits])


def rotated(rows: Floats, axes: Pca, bits: int, seed: int) -> Hyperplanes:
    """Iterative quantisation (Gong and Lazebnik 2011): the principal axes, turned until signs are near the values.

    In turn: the signs of the turned values V R; the rotation that brings V nearest to those signs (Procrustes).
    """
    planes = principal(axes, bits).planes
    values = (rows - axes.mean) @ planes
    rotation, _ = np.linalg.qr(np.random.default_rng([seed, ROTATION]).standard_normal((bits, bits)))
    for _ in range(ROUNDS):
        signs = np.where(values @ rotation > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(values.T @ signs)
        rotation = left @ right
    return Hyperplanes(axes.mean, (planes @ rotation).astype(np.float32))
