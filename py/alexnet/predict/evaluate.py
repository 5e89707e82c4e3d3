"""Error rates of trained nets on a dataset, alone or averaged (paper, 4.1 and 6)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.console import Advance
from alexnet.data.shards import Dataset
from alexnet.engines import Floats
from alexnet.errors import Failure
from alexnet.metrics import misses
from alexnet.predict.predictor import CropsName, predict_split
from alexnet.predict.run import Run

Progress = Callable[[str, int], AbstractContextManager[Advance]]  # a title and how many images


@dataclass(frozen=True)
class Errors:
    """Shares of `images` whose label is not the most probable class, or not among the five most probable.

    `probs` (n, classes) and `labels` (n) are in the split's order; `note` is what a person should know of the data.
    """

    top1: float
    top5: float
    images: int
    crops: CropsName
    data: Path
    probs: Floats
    labels: NDArray[np.int32]
    note: str = ""

    def as_json(self) -> dict[str, object]:
        """The object of `eval --json`; its keys are a contract."""
        return {"top1_error": self.top1, "top5_error": self.top5, "images": self.images, "crops": self.crops}


@contextmanager
def unseen(title: str, total: int) -> Iterator[Advance]:
    """How work goes that nobody watches."""
    yield lambda count, note="": None


def evaluate(
    runs: Sequence[Run],
    *,
    data: Path | None = None,
    split: str = "val",
    crops: CropsName = "ten",
    progress: Progress = unseen,
) -> Errors:
    """Error rates of one run, or of the averaged predictions of several (paper, 6).

    `data` is another dataset than the one they were trained on; each run subtracts the mean it was trained with.
    Raises Failure where its classes are not theirs, or the data the runs were trained on was made anew since.
    """
    dataset = runs[0].trained.dataset(data)
    note = next((found for run in runs if (found := _belongs(run, dataset, split, data is not None))), "")
    images = dataset.split(split)
    total = np.zeros((len(images), len(dataset.classes)), np.float32)
    for run in runs:
        predictor = run.predictor(crops, len(images))
        with progress(f"eval {run.path.name}", len(images)) as advance:
            total += predict_split(predictor, images, range(len(images)), advance)
    mean = total / np.float32(len(runs))
    if not np.isfinite(mean).all():
        raise Failure(f"{runs[0].path}: its predictions are not finite; use an earlier checkpoint")
    top1, top5 = (misses(mean, images.labels, k) / len(images) for k in (1, 5))
    return Errors(top1, top5, len(images), crops, dataset.path, mean, images.labels, note)


def _belongs(run: Run, data: Dataset, split: str, named: bool) -> str:
    """A note where `data` is another dataset than the run's, or the split was trained on in the end.

    Raises Failure where that will not do.
    """
    inputs = run.trained.inputs
    if [each.id for each in data.classes] != [each.id for each in inputs.classes]:
        raise Failure(f"{data.path}: its classes are not those of {run.path}; name the data it was trained on")
    if data.size != inputs.size:
        raise Failure(f"{data.path}: its images are {data.size} pixels wide, those of {run.path} {inputs.size}")
    if data.identity == inputs.identity:
        seen = run.recipe.at_epoch(run.trained.checkpoint.state["epoch"]).data.splits
        return f"{run.path} was trained on the {split} images too" if split != "train" and split in seen else ""
    what = f"{data.path} is not the dataset that {run.path} was trained on"
    if not named:
        raise Failure(
            f"{what}: it was made again since, and its images may have been trained on; --data evaluates on it"
        )
    return f"{what}: its images may have been trained on"
