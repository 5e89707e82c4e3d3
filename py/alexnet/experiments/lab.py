"""Where the runs lie, and what is known of them: each thing that is measured once is kept beside the run.

OUT/runs/KEY/              the run, as `alexctl train` made it, and `<split>-<crops>.npz`, `curve.json`
OUT/runs/KEY.json          how it was made: command, seconds, peak memory, the reason of a failure
OUT/runs/KEY.txt           what the command said
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from alexnet.experiments import curves
from alexnet.experiments.curves import Curve
from alexnet.experiments.jobs import Job
from alexnet.files import whole_file, write_whole, writing
from alexnet.machine.hardware import Wanted
from alexnet.metrics import missed
from alexnet.predict.evaluate import evaluate
from alexnet.predict.predictor import CropsName
from alexnet.predict.run import Run, open_run
from alexnet.runs import log
from alexnet.runs.directory import summary


@dataclass(frozen=True)
class Predictions:
    """Of a split's images, in its order: `probs` (n, classes) float32 and `labels` (n)."""

    probs: NDArray[np.float32]
    labels: NDArray[np.int32]

    def missed(self, k: int) -> NDArray[np.bool_]:
        """(n): whether the label is not among the k most probable classes."""
        return missed(self.probs, self.labels, k)


def tested(data: Dataset) -> str:
    """The split that is measured on: the test images, or those for validation where there are no others."""
    return "test" if data.counts["test"] else "val"


@dataclass(frozen=True)
class Lab:
    """The folder of a reproduction; `wanted` says where trainings run, and nets are asked."""

    out: Path
    wanted: Wanted = field(default_factory=Wanted)

    @property
    def runs(self) -> Path:
        """The folder of the runs."""
        return self.out / "runs"

    def run(self, job: Job) -> Path:
        """The job's own folder."""
        return self.runs / job.key

    def finished(self, job: Job) -> bool:
        """Whether the job is done, all of it."""
        return (self.run(job) / log.NAME).is_file() and summary(self.run(job)).state == "finished"

    def record(self, job: Job) -> dict[str, Any]:
        """How the job was made; empty before its first training."""
        path = self.run(job).with_suffix(".json")
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def open(self, job: Job) -> Run:
        """The trained net. Raises Failure."""
        return open_run(self.run(job), wanted=self._alone())

    def predictions(self, job: Job, crops: CropsName) -> Predictions:
        """Of the images that the job's dataset is tested on."""
        split = tested(job.data)
        path = self.run(job) / f"{split}-{crops}.npz"
        if not path.is_file():
            found = evaluate([self.open(job)], data=job.data.path, split=split, crops=crops)
            with writing(path), whole_file(path) as part, part.open("wb") as file:
                np.savez(file, probs=found.probs, labels=found.labels)
        with np.load(path) as kept:
            return Predictions(kept["probs"], kept["labels"])

    def curve(self, job: Job) -> Curve:
        """The training error over the epochs, on images that stay the same. Raises Failure where it is not done."""
        if not self.finished(job):
            raise Failure(f"{job.name}: not trained yet")
        return Curve(**self.kept(self.run(job) / "curve.json", lambda: curves.measured(self.run(job), self._alone())))

    def kept(self, path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A JSON object that is made once."""
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(make()))
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def _alone(self) -> Wanted:
        """For one process: the first of the GPUs."""
        gpus = self.wanted.gpus.split(",")[0] if self.wanted.gpus else None
        return Wanted(gpus=gpus, device=self.wanted.device, threads=self.wanted.threads)
