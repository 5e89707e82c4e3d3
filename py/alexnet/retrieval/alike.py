"""The images that a net finds most like a picture, among those whose features were kept (paper, 6.1 and Fig. 4)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet.data.format import Pixels
from alexnet.engines import Floats
from alexnet.errors import Failure
from alexnet.predict.run import Run
from alexnet.retrieval.extract import identity
from alexnet.retrieval.features import Features, singles
from alexnet.retrieval.neighbours import nearest

COUNT = 5


@dataclass(frozen=True)
class Like:
    """One of them: its pixels (S, S, 3), its label, and how far its features are by Euclidean distance."""

    pixels: Pixels
    label: int
    distance: float


class Alike:
    """A file of features of a run's net, and the images they are of: those the net was trained on, or of `data`.

    `layer` is what gives the features. Raises Failure where the file is of another net or of other images.
    """

    def __init__(self, run: Run, path: Path, data: Path | None = None) -> None:
        self._features = Features(path)
        origin, dataset = self._features.origin, run.trained.dataset(data)
        again = f"make it again with alexctl features {run.path} --out {path}"
        if origin.net != identity(run):
            raise Failure(f"{path}: features of another net than {run.path} at step {run.step}: {again}")
        if origin.dataset != dataset.identity:
            raise Failure(
                f"{path}: features of other images than those of {dataset.path}: name their --data, or {again}"
            )
        self.layer, self._images = origin.layer, dataset.split(origin.split)

    def __call__(self, features: Floats) -> list[Like]:
        """Those nearest to an image's features (width), nearest first, by a pass over the whole file."""
        row = singles(features[None].astype(np.float16))  # as it would be kept
        found = nearest(self._features, row, min(COUNT, self._features.count))
        return [
            Like(self._images.image(int(index)), int(self._features.labels[index]), float(distance))
            for index, distance in zip(found.indices[0], found.distances[0], strict=True)
        ]
