"""A run's features of a dataset's images into a file (paper, 6.1)."""

import zlib
from collections.abc import Callable
from pathlib import Path

from alexnet.data.shards import Dataset
from alexnet.predict.run import Run
from alexnet.retrieval.features import Origin, write

TOGETHER = 128  # images in memory at once


def extract(
    run: Run,
    data: Dataset,
    split: str,
    out: Path,
    layer: str | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> str:
    """Write what a layer, by default the last hidden one, gives for each image's centre crop; the layer's name.

    Called again it goes on where it was stopped. Raises Failure where there is no such layer, or `out` holds others.
    """
    images, chosen = data.split(split), layer or run.recipe.net.last_hidden
    predictor = run.predictor("centre", min(TOGETHER, len(images)), plain=True)
    width = predictor.features([images.image(0)], chosen).shape[1]
    origin = Origin(identity(run), chosen, data.identity, split)
    write(
        out,
        origin,
        images.labels,
        width,
        lambda rows: predictor.features([images.image(row) for row in rows], chosen),
        advance,
    )
    return chosen


def identity(run: Run) -> str:
    """Of a net's weights: the CRC-32 over all of them, in the order of their names."""
    crc = 0
    for name, values in sorted(run.trained.checkpoint.weights.items()):
        crc = zlib.crc32(values.tobytes(), zlib.crc32(name.encode(), crc))
    return f"{crc:08x}"
