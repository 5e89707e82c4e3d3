"""An image's dense descriptors of one kind, at several scales, with the places they were taken at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alexnet.baselines.colour import colour
from alexnet.baselines.grid import Floats, Grid, Places, grey, scaled
from alexnet.baselines.hog import hog
from alexnet.baselines.lbp import lbp
from alexnet.baselines.sift import sift
from alexnet.data.format import Pixels

Descriptor = Literal["sift", "colour", "hog", "lbp"]

# what each makes of an image (S, S, 3) and a step, and the side of its patches
DESCRIPTORS: dict[Descriptor, tuple[Callable[[Pixels, int], Floats], int]] = {
    "sift": (lambda image, step: sift(grey(image), step), 24),
    "colour": (colour, 24),
    "hog": (lambda image, step: hog(grey(image), step), 16),
    "lbp": (lambda image, step: lbp(grey(image), step), 16),
}


@dataclass(frozen=True)
class Describer:
    """One kind of descriptor, in patches every `step` pixels at so many scales."""

    descriptor: Descriptor
    step: int
    scales: int

    def __call__(self, image: Pixels) -> tuple[Floats, Places]:
        """All descriptors (T, D) of an image (S, S, 3), and the centres of their patches (T, 2) in 0..1."""
        describe, patch = DESCRIPTORS[self.descriptor]
        rows, places = [], []
        for level in scaled(image, self.scales):
            if len(level) >= patch:
                rows.append(describe(level, self.step))
                places.append(Grid(patch, 1, self.step).places(len(level)))
        return np.concatenate(rows), np.concatenate(places)
