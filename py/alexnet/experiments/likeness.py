"""Which training images are nearest to test images (section 6.1): by the last hidden layer, or by their pixels."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.experiments.commands import answer
from alexnet.experiments.jobs import Job
from alexnet.experiments.lab import Lab, tested
from alexnet.experiments.turns import turn
from alexnet.retrieval.comparison import asked
from alexnet.retrieval.extract import extract
from alexnet.retrieval.features import Features, singles
from alexnet.retrieval.neighbours import nearest
from alexnet.retrieval.pixels import write_pixels


def features(lab: Lab, job: Job, kind: str, split: str) -> Features:
    """A file of features of a split of the job's dataset: of its last hidden layer, or of its pixels.

    Several items ask for it, perhaps in several processes: one makes it.
    """
    path = lab.out / "features" / f"{job.key}-{kind}-{split}.h5"
    with turn(path.with_suffix(".lock")):
        if not path.is_file():
            if kind == "pixels":
                write_pixels(job.data, split, job.data.counts[split], path)
            else:
                extract(lab.open(job), job.data, split, path)
    return Features(path)


def agreeing(lab: Lab, job: Job, kind: str) -> NDArray[np.bool_]:
    """(n): whether the training image nearest to each of the test images, or of 1000 of them, is of its class."""
    searched, queries = features(lab, job, kind, "train"), features(lab, job, kind, tested(job.data))
    chosen = asked(queries)
    found = nearest(searched, singles(queries.rows(chosen)), 1)
    same: NDArray[np.bool_] = searched.labels[found.indices[:, 0]] == queries.labels[chosen]
    return same


def codes(lab: Lab, job: Job) -> dict[str, Any]:
    """What `alexctl codes --json` says of the run's features, made once; its picture lies beside. Raises Failure."""
    folder = codes_folder(lab, job)
    files = [str(features(lab, job, "features", split).path) for split in ("train", tested(job.data))]

    def make() -> dict[str, Any]:
        return answer("codes", *files, "--out", str(folder), "--data", str(job.data.path))

    return lab.kept(folder / "codes.json", make)


def codes_folder(lab: Lab, job: Job) -> Path:
    """Where the codes of a run's features lie."""
    return lab.out / "codes" / job.key
