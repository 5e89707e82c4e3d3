"""The baselines of Tables 1 and 2 on any dataset: learn on its training images, measure on another split.

Descriptors -> a coder learnt from a sample of them -> a signature an image, in a file of float16 -> a linear
classifier a channel -> the channels' scores averaged. Channels with the same descriptor share its making.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, Literal

import numpy as np

from alexnet.baselines.describe import Describer, Descriptor
from alexnet.baselines.fisher import FisherPlan
from alexnet.baselines.grid import LEAST, Floats
from alexnet.baselines.linear import Labels, Sgd, Signs
from alexnet.baselines.scores import Errors, Precisions, Reached, Scores, errors, precisions
from alexnet.baselines.searches import searches
from alexnet.baselines.signatures import (
    Classing,
    Coder,
    Coding,
    Learning,
    Sampling,
    classify,
    code,
    learn,
    parts,
    sample,
)
from alexnet.baselines.sparse import SparsePlan
from alexnet.console import progress
from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from alexnet.files import PART, take_name, writing
from alexnet.workers import shared_out

Kind = Literal["fisher", "sparse"]

FISHER_CELLS = ((1, 1), (2, 2), (3, 1))
SPARSE_CELLS = ((1, 1), (2, 2), (4, 4))
SMALL_CELLS = ((1, 1), (2, 2))  # of an image of which a patch is a sixteenth: the finest cell above
FEW = 200  # descriptors of an image at least, for the coders to learn from


@dataclass(frozen=True)
class Channel:
    """One kind of descriptor with one coder: a signature an image, and a classifier of its own."""

    name: str
    descriptor: Descriptor
    plan: FisherPlan | SparsePlan


@dataclass(frozen=True)
class Plan:
    """A baseline: its channels, where descriptors are taken, from how many in all the coders learn."""

    channels: Sequence[Channel]
    step: int
    scales: int
    samples: int
    sgd: Sgd
    most: int | None = None  # of the training images


@dataclass(frozen=True)
class Task(Generic[Reached]):
    """What a classifier learns: the training images' labels (n), or signs (n, classes), as `linear.train` takes them.

    `reached` tells what scores (n, classes) of the other images are worth.
    """

    labels: Labels | Signs
    classes: int
    reached: Callable[[Floats], Reached]


def plan(kind: Kind, size: int, quick: bool = False) -> Plan:
    """As published, or small enough to end in minutes: fewer descriptors, codewords and training images.

    Images of so few pixels (`size` on a side) that they are enlarged, as CIFAR's, have quarters for their finest cells,
    and a quarter of the Gaussians.
    """
    return {"fisher": _fisher, "sparse": _sparse}[kind](quick, size < LEAST)


def run(
    data: Dataset,
    kind: Kind,
    split: str = "val",
    quick: bool = False,
    seed: int = 0,
    workers: int = 1,
    kept: Path | None = None,
) -> Scores[Errors]:
    """Train a baseline on `data`'s training images and measure it on a split (paper, 6: Tables 1 and 2).

    Signatures lie in `kept`, from which it goes on when it is run again, or in a temporary folder. Raises Failure where
    the split is empty or the disk too small.
    """
    return measure(data, plan(kind, data.size, quick), split, seed, workers, kept)


def measure(
    data: Dataset, chosen: Plan, split: str, seed: int, workers: int, kept: Path | None = None
) -> Scores[Errors]:
    """The same of any plan."""
    labels, own = data.split("train").labels, data.split(split).labels
    task = Task(labels, len(data.classes), partial(errors, labels=own))
    return _measured(data, task, chosen, split, seed, workers, kept)


def search(
    data: Dataset,
    kind: Kind,
    lists: Path,
    split: str = "val",
    quick: bool = False,
    seed: int = 0,
    workers: int = 1,
) -> Scores[Precisions]:
    """Train a baseline to find what shows each class of the `lists` in a folder, as images may show several (VOC2007).

    The labels in `data` do not count. Raises Failure as `run` does, and where the lists do not fit its images.
    """
    wanted = searches(lists)
    signs = wanted.signs(data.split("train"))
    reached = partial(precisions, signs=wanted.signs(data.split(split)), classes=wanted.classes)
    task = Task(signs, len(wanted.classes), reached)
    return _measured(data, task, plan(kind, data.size, quick), split, seed, workers)


def _measured(
    data: Dataset, task: Task[Reached], chosen: Plan, split: str, seed: int, workers: int, kept: Path | None = None
) -> Scores[Reached]:
    there = len(task.labels)
    counts = {"train": min(there, chosen.most or there), split: len(data.split(split))}
    with _folder(kept) as folder:
        for descriptor, channels in _by_descriptor(chosen.channels):
            if all(_file(folder, channel.name, each).exists() for channel in channels for each in counts):
                continue
            describer = Describer(descriptor, chosen.step, chosen.scales)
            rows = _sampled(data, describer, counts["train"], chosen.samples, seed, workers)
            coders = _learnt(channels, rows, folder, seed, workers)
            _check_room(folder, sum(counts.values()) * sum(coder.length for coder in coders.values()) * 2)
            for each, count in counts.items():
                _code(data, each, count, describer, coders, folder, workers)
        jobs = [
            Classing(
                each.name,
                _file(folder, each.name, "train"),
                task.labels[: counts["train"]],
                task.classes,
                _file(folder, each.name, split),
                chosen.sgd,
                seed,
            )
            for each in chosen.channels
        ]
        scores = _classified(jobs, workers)
    mean = np.mean([scores[each.name] for each in chosen.channels], axis=0)
    alone = {each.name: task.reached(scores[each.name]) for each in chosen.channels}
    return Scores(counts[split], counts["train"], task.reached(mean), alone)


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """Where signatures lie meanwhile."""
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="alexctl-baseline-") as name:
            yield Path(name)
    else:
        with writing(kept):
            kept.mkdir(parents=True, exist_ok=True)
        yield kept


def _by_descriptor(channels: Sequence[Channel]) -> Iterator[tuple[Descriptor, list[Channel]]]:
    """Each descriptor once, with its channels."""
    for descriptor in dict.fromkeys(each.descriptor for each in channels):
        yield descriptor, [each for each in channels if each.descriptor == descriptor]


def _file(folder: Path, channel: str, split: str) -> Path:
    """Where a channel's signatures of a split are."""
    return folder / f"{channel} {split}.npy"


def _sampled(data: Dataset, describer: Describer, images: int, samples: int, seed: int, workers: int) -> Floats:
    """Descriptors (n, D) of the first images, about `samples` in all, the same whatever the number of workers."""
    used = min(images, -(-samples // FEW))  # the shards are in a random order already
    each = -(-samples // used)
    jobs = [Sampling(part, describer, each, seed) for part in parts(data.path, "train", used)]
    taken = {}
    with progress(f"{describer.descriptor}: sampling", used) as advance:
        for start, rows in shared_out(sample, jobs, workers):
            taken[start] = rows
            advance(min(len(jobs[0].part.images), used - start))
    return np.concatenate([taken[start] for start in sorted(taken)])


def _learnt(channels: Sequence[Channel], rows: Floats, folder: Path, seed: int, workers: int) -> dict[str, Coder]:
    """Each channel's coder."""
    file = folder / "sample.npy"
    np.save(file, rows)
    jobs = [Learning(each.name, each.plan, file, seed) for each in channels]
    coders = {}
    with progress(f"{channels[0].descriptor}: learning", len(jobs), "coders") as advance:
        for channel, coder in shared_out(learn, jobs, workers):
            coders[channel] = coder
            advance(1)
    return coders


def _code(
    data: Dataset, split: str, images: int, describer: Describer, coders: dict[str, Coder], folder: Path, workers: int
) -> None:
    """Write the signatures (images, length) of a split's first images, a file for each coder: whole ones, or none."""
    files = [_file(folder, channel, split) for channel in coders]
    beside = [file.with_name(f"{PART}{file.name}") for file in files]
    for coder, part in zip(coders.values(), beside, strict=True):
        np.lib.format.open_memmap(part, "w+", np.float16, (images, coder.length)).flush()
    into = [*zip(coders.values(), beside, strict=True)]
    jobs = [Coding(part, describer, into) for part in parts(data.path, split, images)]
    with progress(f"{describer.descriptor}: {split}", images) as advance:
        for made in shared_out(code, jobs, workers):
            advance(made)
    for part, file in zip(beside, files, strict=True):
        take_name(part, file)


def _classified(jobs: Sequence[Classing], workers: int) -> dict[str, Floats]:
    """Each channel's scores."""
    scores = {}
    with progress("classifiers", len(jobs), "classifiers") as advance:
        for channel, found in shared_out(classify, jobs, workers):
            scores[channel] = found
            advance(1)
    return scores


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Failure(
            f"{folder.parent} needs {needed / 1e9:.1f} GB for the signatures, the disk has {free / 1e9:.1f} GB left: "
            "make room, set TMPDIR (alexctl reproduce: --out) to a larger one, or take --quick"
        )


def _fisher(quick: bool, small: bool) -> Plan:
    """Sanchez and Perronnin 2011: 64 components, 256 Gaussians, SIFT and colour; docs/baselines.md has the settings."""
    gaussians = 32 if quick else 64 if small else 256
    coder = FisherPlan(64, gaussians, 10 if quick else 20, SMALL_CELLS if small else FISHER_CELLS)
    channels = [Channel("sift", "sift", coder), Channel("colour", "colour", coder)]
    if quick:
        return Plan(channels, step=8, scales=4, samples=100_000, sgd=Sgd(epochs=10), most=10_000)
    return Plan(channels, step=4, scales=5, samples=1_000_000, sgd=Sgd(epochs=20))


def _sparse(quick: bool, small: bool) -> Plan:
    """Lin et al. 2011: HOG, LBP and SIFT with locality-constrained coding, two codebooks each: six models."""
    sizes, cells = (256, 512) if quick else (2048, 4096), SMALL_CELLS if small else SPARSE_CELLS
    kinds: tuple[Descriptor, ...] = ("hog", "lbp", "sift")
    channels = [Channel(f"{kind} {size}", kind, SparsePlan(size, 10, cells)) for kind in kinds for size in sizes]
    if quick:
        return Plan(channels, step=8, scales=3, samples=50_000, sgd=Sgd(epochs=5), most=10_000)
    return Plan(channels, step=4, scales=3, samples=200_000, sgd=Sgd(epochs=5))
