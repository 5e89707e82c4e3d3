"""Images as rows of their own pixels, in a file of features: what codes of a net's features are compared with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from alexnet.data.format import Pixels
from alexnet.data.shards import Dataset
from alexnet.retrieval.features import Floats, Origin, write

SIDE = 32  # Krizhevsky and Hinton 2011


def write_pixels(
    data: Dataset, split: str, count: int, out: Path, advance: Callable[[int], None] = lambda count: None
) -> None:
    """The first `count` images of a split at 32x32, 0..255, row by row; called again it goes on where it stopped."""
    images = data.split(split)

    def shrunk(rows: range) -> Floats:
        return np.stack([_shrunk(images.image(row)).ravel() for row in rows]).astype(np.float32)

    write(out, Origin("", "pixels", data.identity, split), images.labels[:count], SIDE**2 * 3, shrunk, advance)


def _shrunk(image: Pixels) -> Pixels:
    if len(image) == SIDE:
        return image
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
