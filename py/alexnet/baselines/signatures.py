"""The work of the worker processes: samples of descriptors to learn from, and an image's descriptors to one row."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from alexnet.baselines.describe import Describer
from alexnet.baselines.grid import Floats, Places
from alexnet.data.shards import Dataset

SAMPLE = 1  # a purpose of random numbers
PART = 32  # images a job


class Coder(Protocol):
    """Makes a signature of `length` values from an image's descriptors (T, D) and their places (T, 2)."""

    @property
    def length(self) -> int: ...

    def __call__(self, rows: Floats, places: Places) -> Floats: ...


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
class Coding:
    """Write images' signatures into their rows of `file`, an array (images, length) of float16 that is there."""

    part: Part
    describer: Describer
    coder: Coder
    file: Path


def code(job: Coding) -> int:
    """How many rows were written."""
    file = np.lib.format.open_memmap(job.file, mode="r+")
    for index, rows, places in job.part.described(job.describer):
        file[index] = job.coder(rows, places)
    file.flush()
    return len(job.part.images)
