"""Which training images are nearest to test images (section 6.1): by the last hidden layer, or by their pixels."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.data.shards import Split
from alexnet.experiments.jobs import Job
from alexnet.experiments.lab import Lab, tested
from alexnet.retrieval.extract import extract
from alexnet.retrieval.features import Features, Floats, Origin, singles, write
from alexnet.retrieval.neighbours import nearest

QUERIES = 1000
PIXELS = "pixels"


def features(lab: Lab, job: Job, kind: str, split: str) -> Features:
    """A file of features of a split of the job's dataset: of its last hidden layer, or of its pixels."""
    path = lab.out / "features" / f"{job.key}-{kind}-{split}.h5"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == PIXELS:
            _pixels(job, split, path)
        else:
            extract(lab.open(job), job.data, split, path)
    return Features(path)


def nearest_labels(lab: Lab, job: Job, kind: str) -> NDArray[np.int32]:
    """(n): the label of the training image nearest to each of the first test images."""
    searched, asked = features(lab, job, kind, "train"), features(lab, job, kind, tested(job.data))
    queries = np.arange(min(QUERIES, asked.count))
    found = nearest(searched, singles(asked.rows(queries)), 1)
    labels: NDArray[np.int32] = searched.labels[found.indices[:, 0]]
    return labels


def _pixels(job: Job, split: str, path: Path) -> None:
    images = job.data.split(split)
    side = _side(job.data.size)
    origin = Origin("", PIXELS, job.data.identity, split)
    write(path, origin, images.labels, 3 * side * side, lambda rows: _small(images, rows, side), lambda count: None)


def _side(size: int) -> int:
    """Pixels are means over squares, so that there are not more than 32 x 32 of them."""
    return next(side for side in range(min(size, 32), 0, -1) if size % side == 0)


def _small(images: Split, rows: range, side: int) -> Floats:
    """(k, 3 side^2): images as means over squares."""
    pixels = np.stack([images.image(row) for row in rows]).astype(np.float32)
    count, size = len(pixels), pixels.shape[1] // side
    means: Floats = pixels.reshape(count, side, size, side, size, 3).mean(axis=(2, 4)).reshape(count, -1)
    return means
