"""A trained run, opened: what its net says of images."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alexnet.data.format import ClassInfo, Pixels
from alexnet.engines import Engine, Floats, Precision
from alexnet.errors import Failure
from alexnet.links.solo import SoloLink
from alexnet.machine.hardware import Wanted, alone
from alexnet.net.net import Net
from alexnet.predict.images import pixels_of
from alexnet.predict.predictor import CROPS, CropsName, Predictor
from alexnet.recipe import Recipe
from alexnet.recipe.topology import topology
from alexnet.runs import directory, log
from alexnet.runs.checkpoint import Checkpoint
from alexnet.runs.directory import Trained
from alexnet.runs.log import Row

if TYPE_CHECKING:
    from alexnet.predict.evaluate import Errors

VIEWS = 128  # at once, at most


@dataclass(frozen=True)
class Prediction:
    """What a net says of one image: `probs` (classes) float32; or why it says nothing."""

    image: Path
    classes: tuple[ClassInfo, ...]
    probs: Floats | None
    skipped: str = ""

    def top(self, count: int = 5) -> list[tuple[ClassInfo, float]]:
        """The most probable classes, the first one first; of equal ones the lower index."""
        if self.probs is None:
            return []
        best = np.argsort(-self.probs, kind="stable")[:count]
        return [(self.classes[index], float(self.probs[index])) for index in best]


class Run:
    """A trained net and all that prediction needs; no dataset has to be there.

    `path` is its folder, `recipe` what was trained, `classes` index, id and name in the net's order, `size` the side of
    the images in pixels, `step` that of the checkpoint.
    """

    def __init__(self, trained: Trained, engine: Engine) -> None:
        self.trained, self._engine = trained, engine
        self.path: Path = trained.run
        self.recipe: Recipe = trained.recipe
        self.classes: tuple[ClassInfo, ...] = trained.inputs.classes
        self.size: int = trained.inputs.size
        self.step: int = trained.checkpoint.state["step"]
        self._made: tuple[Net, bool] | None = None  # the last net, and whether it is a plain one

    def predict(self, images: Sequence[Path | str | Pixels], crops: CropsName = "ten") -> Floats:
        """Class probabilities (n, classes): the softmax's outputs averaged over the crops (section 4.1).

        An image is a file, or an array (size, size, 3) uint8. Raises Failure where one cannot be used.
        """
        pixels = [pixels_of(image, self.size) for image in images]
        return self.predictor(crops, len(pixels))(pixels) if pixels else np.zeros((0, len(self.classes)), np.float32)

    def predictions(self, paths: Iterable[Path], crops: CropsName = "ten") -> Iterator[Prediction]:
        """Each file's prediction, in order; a file that cannot be used costs no other.

        The net is asked about as many as it takes at once, while the next ones are read.
        """
        step = VIEWS // len(CROPS[crops](self.size, self.recipe.net.crop))
        waiting = list(paths)
        with ThreadPoolExecutor(1) as ahead:
            batches = (ahead.submit(self._read, waiting[at : at + step]) for at in range(0, len(waiting), step))
            for read, _following in pairwise(chain(batches, [None])):
                assert read
                yield from self._batch(read.result(), crops)

    def features(self, images: Sequence[Path | str | Pixels], layer: str) -> Floats:
        """A layer's outputs (n, maps x height x width) for each image's centre crop (section 6.1), such as "relu7".

        Raises Failure where there is no such layer, or an image cannot be used.
        """
        pixels = [pixels_of(image, self.size) for image in images]
        return self.predictor("centre", max(1, len(pixels)), plain=True).features(pixels, layer)

    def evaluate(self, split: str = "val", crops: CropsName = "ten", data: Path | str | None = None) -> "Errors":
        """Error rates on a split of the dataset it was trained on, or of `data`. Raises Failure."""
        from alexnet.predict.evaluate import evaluate

        return evaluate([self], data=None if data is None else Path(data), split=split, crops=crops)

    def at(self, checkpoint: Checkpoint) -> "Run":
        """The same net with the weights of another of the run's checkpoints."""
        return Run(replace(self.trained, checkpoint=checkpoint), self._engine)

    def log(self) -> list[Row]:
        """The rows of the training's log."""
        return log.read(self.path / log.NAME)

    def predictor(self, crops: CropsName, images: int, *, plain: bool = False) -> Predictor:
        """The net for so many images at once, or as many as there is room for; a `plain` one shows every layer."""
        views = CROPS[crops](self.size, self.recipe.net.crop)
        net = self._for(min(VIEWS, images * len(views)), plain)
        return Predictor(net, self.recipe.subtracted(self.trained.inputs.mean), views, self.recipe.dropout)

    def _for(self, views: int, plain: bool) -> Net:
        """The whole net with memory for so many views; the last one made where it will do."""
        made, self._made = self._made, None
        if made is None or made[1] != plain or not (made[0].batch == views or 1 < views < made[0].batch):
            shapes = topology(self.recipe.net, len(self.classes))
            engine = self._engine.for_test(views)
            net = Net(shapes, engine, SoloLink(shapes.columns), views, training=False, plain=plain)
            net.load(self.trained.checkpoint.weights)
            made = net, plain
        self._made = made
        return made[0]

    def _read(self, paths: Sequence[Path]) -> list[tuple[Path, Pixels | Failure]]:
        """Each file's pixels, or why there are none."""
        found: list[tuple[Path, Pixels | Failure]] = []
        for path in paths:
            try:
                found.append((path, pixels_of(path, self.size)))
            except Failure as failure:
                found.append((path, failure))
        return found

    def _batch(self, read: Sequence[tuple[Path, Pixels | Failure]], crops: CropsName) -> Iterator[Prediction]:
        probs = iter(self.predict([each for _, each in read if not isinstance(each, Failure)], crops))
        for path, each in read:
            failed = isinstance(each, Failure)
            yield Prediction(path, self.classes, None if failed else next(probs), str(each) if failed else "")


def open_run(
    path: Path | str | None = None,
    *,
    wanted: Wanted | None = None,
    precision: Precision | None = None,
    data: Path | None = None,
) -> Run:
    """Open a trained run, the newest in ./runs where none is named, at its best checkpoint.

    `wanted` says where its net runs, `precision` that of the products if not the run's own; a run of an earlier
    version, which lacks what it was trained to see, asks its dataset, or `data`. Raises Failure.
    """
    trained = directory.load_trained(directory.resolve(Path(path) if path is not None else None), data)
    spec = trained.recipe.engine
    return Run(trained, alone(wanted or Wanted(), precision, trained_in=spec.precision, fast=spec.fast))
