"""The order in which the training takes its images: random, and yet read from a disk in long runs.

The shards are in a random order over all classes from the start. An epoch takes them in blocks, `BLOCK` images that
lie together: the blocks in an order of its own, and of each window of `WINDOW` blocks the images in an order of its
own. Whoever reads ahead reads whole blocks; a set of no more than a window is in one random order altogether.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import draws
from alexnet.errors import Failure
from alexnet.recipe import Recipe

BLOCK = 256  # 48 MiB of 256x256: to a disk that seeks in 10 ms, 3 % more than one long run
WINDOW = 32  # blocks; 1.5 GiB of 256x256, and 8192 images among which the next one is drawn

Numbers = NDArray[np.int64]


class Window(NamedTuple):
    """One window of an epoch's order."""

    epoch: int
    number: int


@dataclass(frozen=True)
class Stream:
    """The training images in the order of use: each epoch has each once, batches run on across epochs.

    It begins at `first_step` with epoch `first_epoch`.
    """

    images: int
    batch: int
    seed: int
    shuffle: bool
    first_step: int = 0
    first_epoch: int = 0

    def epoch(self, step: int) -> float:
        """Epochs used up before `step`."""
        return self.first_epoch + (step - self.first_step) * self.batch / self.images

    def passes(self, step: int) -> int:
        """Whole epochs used up before `step`."""
        return self.first_epoch + (step - self.first_step) * self.batch // self.images

    def steps(self, epochs: float) -> int:
        """Steps until so many epochs are used up."""
        return self.first_step - int(-(epochs - self.first_epoch) * self.images // self.batch)

    def at(self, positions: Numbers) -> tuple[Numbers, Numbers]:
        """The epoch and the image at each position of the stream."""
        epochs, numbers, places = self._find(positions)
        images = np.empty_like(places)
        for window in self._windows(epochs, numbers):
            chosen = (epochs == window.epoch) & (numbers == window.number)
            images[chosen] = _members(self, window)[places[chosen]]
        return epochs, images

    def windows(self, positions: Numbers) -> list[Window]:
        """The windows in which the images at these positions lie, in the order of use."""
        epochs, numbers, _ = self._find(positions)
        return self._windows(epochs, numbers)

    def after(self, window: Window) -> Window:
        """The window that is used next."""
        last = window.number + 1 == len(_layout(self, window.epoch).starts)
        return Window(window.epoch + 1, 0) if last else Window(window.epoch, window.number + 1)

    def blocks(self, window: Window) -> list[range]:
        """The blocks of a window, each a run of images."""
        blocks = _blocks(self, window).tolist()
        return [range(block * BLOCK, min((block + 1) * BLOCK, self.images)) for block in blocks]

    def _find(self, positions: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Each position's epoch, its window's number there, and its place in the window."""
        epochs, places = np.divmod(positions - self.first_step * self.batch, self.images)
        epochs += self.first_epoch
        numbers = np.empty_like(places)
        for epoch in np.unique(epochs).tolist():
            chosen, starts = epochs == epoch, _layout(self, epoch).starts
            numbers[chosen] = np.searchsorted(starts, places[chosen], "right") - 1
            places[chosen] -= starts[numbers[chosen]]
        return epochs, numbers, places

    @staticmethod
    def _windows(epochs: Numbers, numbers: Numbers) -> list[Window]:
        pairs = np.unique(np.stack([epochs, numbers], axis=1), axis=0)
        return [Window(epoch, number) for epoch, number in pairs.tolist()]


def streams(recipe: Recipe, counts: Mapping[str, int], seed: int) -> list[Stream]:
    """The stream of a training, and those that follow where its events change the splits that are trained on.

    `counts` are the images of each split. Raises Failure where there are none to take in or to be validated on.
    """

    def images(epoch: float) -> int:
        splits = recipe.at_epoch(epoch).data.splits
        if "val" in splits and not counts["val"]:
            raise Failure(f'data.train = "{"+".join(splits)}": this data has no val images; leave it at "train"')
        if "val" in splits and recipe.train.schedule == "plateau":
            raise Failure(
                f'data.train = "{"+".join(splits)}": train.schedule = "plateau" needs val images held out; '
                'set train.schedule = "epochs", with train.drop_epochs'
            )
        return sum(counts[split] for split in splits)

    found = [Stream(images(0), recipe.train.batch, seed, recipe.data.shuffle)]
    for epoch in sorted({int(event.epoch) for event in recipe.train.events if "data.train" in event.set}):
        if images(epoch) != found[-1].images:
            step = found[-1].steps(epoch)
            found.append(replace(found[-1], images=images(epoch), first_step=step, first_epoch=epoch))
    return found


@dataclass(frozen=True)
class _Layout:
    """An epoch's blocks in their order, and the place in the epoch at which each window starts."""

    blocks: Numbers
    starts: Numbers


@lru_cache(maxsize=4)
def _layout(stream: Stream, epoch: int) -> _Layout:
    blocks = np.arange(-(-stream.images // BLOCK))
    if stream.shuffle:
        blocks = _shuffled(blocks, stream.seed, epoch, 1)
    ends = np.cumsum(np.minimum(BLOCK, stream.images - blocks * BLOCK))
    return _Layout(blocks, np.concatenate([[0], ends[WINDOW - 1 : -1 : WINDOW]]))


def _blocks(stream: Stream, window: Window) -> Numbers:
    """The numbers of a window's blocks, ascending."""
    first = window.number * WINDOW
    return np.sort(_layout(stream, window.epoch).blocks[first : first + WINDOW])


@lru_cache(maxsize=4)
def _members(stream: Stream, window: Window) -> Numbers:
    """A window's images in the order of use."""
    images = np.concatenate([np.arange(run.start, run.stop) for run in stream.blocks(window)])
    return _shuffled(images, stream.seed, window.epoch, 0) if stream.shuffle else images


def _shuffled(numbers: Numbers, seed: int, epoch: int, level: int) -> Numbers:
    keys = draws.words(seed, draws.ORDER, numbers, epoch, level)[:, :2].astype(np.uint64)
    return numbers[np.argsort(keys[:, 0] << np.uint64(32) | keys[:, 1], kind="stable")]
