"""The pictures of a trained run: which images go into the paper's figures, and the files they become."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.console import Advance
from alexnet.data.format import Pixels, titles
from alexnet.data.shards import Dataset, Split
from alexnet.errors import Failure
from alexnet.figures.dataset import spread
from alexnet.figures.paper import kernels_figure, neighbours_figure, predictions_figure, training_figure
from alexnet.predict.evaluate import Progress, unseen
from alexnet.predict.run import VIEWS, Run

SHOWN, QUERIES, NEIGHBOURS = 8, 5, 6
LOOKED_AT = 64  # images at once, until there are as many errors as are shown
SEARCHED = 2000  # training images among which the nearest are sought


def draw(
    run: Run, *, data: Path | None = None, split: str = "val", out: Path | None = None, progress: Progress = unseen
) -> Iterator[Path]:
    """Fig. 3, Fig. 4 left and right, and the training's course; yields each file when it is drawn.

    There is no Fig. 3 of a net whose lowest weights are no convolution's. The images are those of the dataset that
    the run was trained on, or of `data`; the pictures go into the run's folder, or `out`. Raises Failure.
    """
    folder, dataset = out or run.path, run.trained.dataset(data)
    folder.mkdir(parents=True, exist_ok=True)
    if first := run.recipe.net.first_kernels:
        kernels = run.trained.checkpoint.weights[f"{first}.weight"]
        kernels_figure(kernels, run.recipe.net.columns, folder / "kernels.png")
        yield folder / "kernels.png"
    shown, labels = spread(dataset.split(split), SHOWN)
    predictions_figure(shown, labels, run.predict(shown), titles(run.classes), folder / "predictions.png")
    yield folder / "predictions.png"
    draw_neighbours(run, dataset, shown[:QUERIES], labels[:QUERIES], folder / "neighbours.png", progress)
    yield folder / "neighbours.png"
    training_figure(run.log(), folder / "training.png")
    yield folder / "training.png"


def draw_errors(
    run: Run, *, data: Path | None = None, split: str = "val", out: Path | None = None, progress: Progress = unseen
) -> Path:
    """Fig. 4, left, of the first images of a split that the net gets wrong, as errors.png; by ten crops.

    Raises Failure where it gets all of them right.
    """
    folder, images = out or run.path, run.trained.dataset(data).split(split)
    folder.mkdir(parents=True, exist_ok=True)
    shown: list[Pixels] = []
    labels: list[int] = []
    probs: list[NDArray[np.float32]] = []
    with progress("looking for errors", len(images)) as advance:
        for part in _parts(len(images), LOOKED_AT):
            found = run.predict([images.image(index) for index in part])
            for index, said in zip(part, found, strict=True):
                if said.argmax() != images.labels[index]:
                    shown.append(images.image(index))
                    labels.append(int(images.labels[index]))
                    probs.append(said)
            advance(len(part))
            if len(shown) >= SHOWN:
                break
    if not shown:
        raise Failure(f"{run.path}: gets every {split} image right; name another --split")
    path = folder / "errors.png"
    predictions_figure(shown, labels, np.stack(probs), titles(run.classes), path)
    return path


def draw_neighbours(
    run: Run, data: Dataset, queries: list[Pixels], labels: list[int], path: Path, progress: Progress = unseen
) -> None:
    """The training images whose last hidden layer is nearest by Euclidean distance (paper, 6.1)."""
    hidden = run.recipe.net.last_hidden
    train = data.split("train")
    parts = _parts(min(SEARCHED, len(train)), VIEWS)  # the shards are in a random order already
    with progress("neighbours", parts[-1].stop) as advance:
        features = np.concatenate([_features(run, train, part, hidden, advance) for part in parts])
    wanted = run.features(queries, hidden)
    distances = np.stack([np.linalg.norm(features - each, axis=1) for each in wanted])
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :NEIGHBOURS]
    rows = [[train.image(int(index)) for index in row] for row in nearest]
    called = titles(run.classes)
    names = [[called[train.labels[index]] for index in row] for row in nearest]
    neighbours_figure(queries, rows, path, [called[label] for label in labels], names)


def _features(run: Run, images: Split, part: range, layer: str, advance: Advance) -> NDArray[np.float32]:
    found = run.features([images.image(index) for index in part], layer)
    advance(len(part))
    return found


def _parts(count: int, size: int) -> list[range]:
    """The numbers below `count`, so many at a time."""
    return [range(at, min(at + size, count)) for at in range(0, count, size)]
