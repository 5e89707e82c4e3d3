"""The pictures of a trained run: which images go into the paper's figures, and the files they become."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alexnet.data.format import Pixels
from alexnet.data.shards import Dataset
from alexnet.figures.dataset import spread
from alexnet.figures.paper import kernels_figure, neighbours_figure, predictions_figure, training_figure
from alexnet.predict.predictor import Predictor
from alexnet.recipe.spec import Conv, Relu
from alexnet.runs.directory import Trained
from alexnet.runs.log import read

SHOWN, QUERIES, NEIGHBOURS = 8, 5, 6
SEARCHED = 2000  # training images among which the nearest are sought


def draw(trained: Trained, data: Dataset, split_name: str, predictor: Predictor, folder: Path) -> Iterator[Path]:
    """Fig. 3, Fig. 4 left and right, and the training's course; yields each file when it is drawn."""
    first = next(layer for layer in trained.recipe.net.layers if isinstance(layer, Conv))
    kernels_figure(
        trained.checkpoint.weights[f"{first.name}.weight"], trained.recipe.net.columns, folder / "kernels.png"
    )
    yield folder / "kernels.png"
    shown, labels = spread(data.split(split_name), SHOWN)
    predictions_figure(shown, labels, predictor(shown), trained.classes, folder / "predictions.png")
    yield folder / "predictions.png"
    _draw_neighbours(trained, data, shown[:QUERIES], labels[:QUERIES], predictor, folder / "neighbours.png")
    yield folder / "neighbours.png"
    rows = read(trained.run / "log.jsonl")
    training_figure(rows, folder / "training.png")
    yield folder / "training.png"


def _draw_neighbours(
    trained: Trained, data: Dataset, queries: list[Pixels], labels: list[int], predictor: Predictor, path: Path
) -> None:
    """The training images whose last hidden layer is nearest by Euclidean distance (paper, 6.1)."""
    hidden = [layer.name for layer in trained.recipe.net.layers if isinstance(layer, Relu)][-1]
    train = data.split("train")
    pool = range(min(SEARCHED, len(train)))  # the shards are in a random order already
    features = predictor.features([train.image(index) for index in pool], hidden)
    wanted = predictor.features(queries, hidden)
    distances = np.linalg.norm(features[None] - wanted[:, None], axis=2)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :NEIGHBOURS]
    rows = [[train.image(int(index)) for index in row] for row in nearest]
    names = [[trained.classes[train.labels[index]] for index in row] for row in nearest]
    neighbours_figure(queries, rows, path, [trained.classes[label] for label in labels], names)
