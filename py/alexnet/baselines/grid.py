"""Where dense descriptors are taken: the scales of an image, the patches of each, the cells of a patch."""

from dataclasses import dataclass
from math import isqrt, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexnet.data.format import Pixels

Floats = NDArray[np.floating[Any]]  # single precision at work, double in the tests
Places = NDArray[np.floating[Any]]

MOST = isqrt(100_000)  # pixels on a side: images of more than 100,000 pixels are reduced
LEAST = 96  # smaller ones are enlarged, or a patch of 24 would be most of an image of CIFAR's
GREY = np.array([0.299, 0.587, 0.114], np.float32)


def scaled(image: Pixels, count: int) -> list[Pixels]:
    """The image (S, S, 3) at `count` scales, each by the square root of 2 smaller than the one before."""
    largest = min(max(len(image), LEAST), MOST)
    sides = [round(largest / sqrt(2) ** number) for number in range(count)]
    whole = Image.fromarray(image)
    return [
        image if side == len(image) else np.asarray(whole.resize((side, side), Image.Resampling.BICUBIC))
        for side in sides
    ]


def grey(image: Pixels) -> Floats:
    """The luminance (S, S), 0..1."""
    luminance: Floats = image @ (GREY / 255)
    return luminance


def triangle(cell: int) -> Floats:
    """Weights of 2 x `cell` pixels about a cell's centre, by their distance from it: SIFT's interpolation."""
    weights: Floats = (1 - np.abs(np.arange(2 * cell) + 0.5 - cell) / cell).astype(np.float32)
    return weights


def box(cell: int) -> Floats:
    """Weights of a cell's own pixels: their mean."""
    return np.full(cell, 1 / cell, np.float32)


@dataclass(frozen=True)
class Grid:
    """Square patches every `step` pixels, each of `cells` x `cells` cells of `cell` x `cell` pixels."""

    cell: int
    cells: int
    step: int

    def starts(self, side: int) -> NDArray[np.int64]:
        """(patches, cells): the first pixel of each cell along one axis of an image."""
        patches = np.arange(0, side - self.cell * self.cells + 1, self.step)
        return patches[:, None] + self.cell * np.arange(self.cells)

    def places(self, side: int) -> Places:
        """(patches^2, 2): the centre of each patch as y, x in 0..1 of the image."""
        along = (self.starts(side)[:, 0] + self.cell * self.cells / 2) / side
        rows, columns = np.meshgrid(along, along, indexing="ij")
        return np.stack([rows.ravel(), columns.ravel()], axis=1).astype(np.float32)

    def pool(self, maps: Floats, window: Floats) -> Floats:
        """(patches^2, cells^2 x C): each cell's weighted sum of maps (C, S, S), patches and cells row by row.

        `window` weighs the pixels about a cell's centre along either axis; beyond the image all is 0. A product
        with a banded matrix on either side, once for each place where any patch has a cell.
        """
        starts = self.starts(maps.shape[1])
        spots, where = np.unique(starts, return_inverse=True)
        where = where.reshape(starts.shape)
        first = spots - (len(window) - self.cell) // 2
        tap = np.arange(maps.shape[1]) - first[:, None]
        inside = (tap >= 0) & (tap < len(window))
        band = np.where(inside, window[tap.clip(0, len(window) - 1)], 0).astype(maps.dtype)
        sums = band @ maps @ band.T
        cells = sums[:, where[:, None, :, None], where[None, :, None, :]]
        patches = len(starts) ** 2
        pooled: Floats = cells.transpose(1, 2, 3, 4, 0).reshape(patches, -1)
        return pooled


def unit(rows: Floats, least: float = 1e-8) -> Floats:
    """Rows of length 1; those shorter than `least` become 0."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(length > least, rows / np.maximum(length, least), 0).astype(rows.dtype)
