"""The work of the worker processes: samples of descriptors, coders learnt from them, signatures, classifiers' scores.

A product has one thread in a worker: these are small, and threads would wait for each other most of the time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from alexnet.baselines.describe import Describer
from alexnet.baselines.grid import Floats, Places
from alexnet.baselines.linear import Labels, Sgd, Signs, train
from alexnet.data.shards import Dataset

SAMPLE = 1  # a purpose of random numbers
PART = 32  # images a job


class Coder(Protocol):
    """Makes a signature of `length` values from an image's descriptors (T, D) and their places (T, 2)."""

    @property
    def length(self) -> int: ...

    def __call__(self, rows: Floats, places: Places) -> Floats: ...


class CoderPlan(Protocol):
    """Makes a coder from a sample of descriptors (n, D)."""

    def learn(self, rows: Floats, seed: int) -> Coder: ...


@dataclass(frozen=True)
class Part:
    """Some images of a dataset's split."""

    data: Path
    split: str
    images: range

    def described(self, describer: Describer) -> Iterator[tuple[int, Floats, Places]]:
        """Each image's number, descriptors and places."""
        split = Dataset(self.data).split(self.split)
        for index in self.images:
            yield index, *describer(split.image(index))


def parts(data: Path, split: str, count: int) -> list[Part]:
    """The first `count` images of a split, a job's worth each."""
    return [Part(data, split, range(at, min(at + PART, count))) for at in range(0, count, PART)]


@dataclass(frozen=True)
class Sampling:
    """Take `each` descriptors of every image."""

    part: Part
    describer: Describer
    each: int
    seed: int


def sample(job: Sampling) -> tuple[int, Floats]:
    """The job's first image, and the descriptors taken: different ones of an image, as (seed, image) has it."""
    taken = []
    for index, rows, _ in job.part.described(job.describer):
        random = np.random.default_rng([job.seed, SAMPLE, index])
        taken.append(rows[np.sort(random.choice(len(rows), min(job.each, len(rows)), replace=False))])
    return job.part.images.start, np.concatenate(taken)


@dataclass(frozen=True)
class Learning:
    """Learn the coder of a channel from the descriptors (n, D) in `file`."""

    channel: str
    plan: CoderPlan
    file: Path
    seed: int


def learn(job: Learning) -> tuple[str, Coder]:
    """The channel, and its coder."""
    return job.channel, job.plan.learn(np.load(job.file), job.seed)


@dataclass(frozen=True)
class Coding:
    """Write images' signatures by each coder into their rows of its file, an array (images, length) that is there."""

    part: Part
    describer: Describer
    coders: Sequence[tuple[Coder, Path]]


def code(job: Coding) -> int:
    """How many images were described."""
    files = [np.lib.format.open_memmap(file, mode="r+") for _, file in job.coders]
    for index, rows, places in job.part.described(job.describer):
        for (coder, _), file in zip(job.coders, files, strict=True):
            file[index] = coder(rows, places)
    for file in files:
        file.flush()
    return len(job.part.images)


@dataclass(frozen=True)
class Classing:
    """Learn a channel's classifier from the signatures in `learnt`, and score those in `tested`."""

    channel: str
    learnt: Path
    labels: Labels | Signs
    classes: int
    tested: Path
    sgd: Sgd
    seed: int


def classify(job: Classing) -> tuple[str, Floats]:
    """The channel, and the scores (images, classes)."""
    classifier = train(np.load(job.learnt, mmap_mode="r"), job.labels, job.classes, job.sgd, job.seed)
    return job.channel, classifier(np.load(job.tested, mmap_mode="r"))
