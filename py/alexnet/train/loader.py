"""The next minibatch, made by a thread of its own while the net trains on this one (paper, 4.1)."""

import queue
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet.data.shards import Dataset
from alexnet.engines import Engine, Floats, Tensor, draws
from alexnet.links import Place
from alexnet.recipe import Recipe
from alexnet.recipe.spec import AugmentSpec
from alexnet.train.ahead import Ahead
from alexnet.train.stream import Stream

AHEAD = 2


@dataclass(frozen=True)
class Views:
    """How each image of a batch is seen: crop offset (y, x), reflection, and a shift of its RGB values."""

    offsets: NDArray[np.int32]
    reflect: NDArray[np.uint8]
    shift: Floats


def draw_views(stream: Stream, positions: NDArray[np.int64], spec: AugmentSpec, data: Dataset, crop: int) -> Views:
    """The random views of the images at `positions` (paper, 4.1); images of one share have one crop and reflection."""
    leaders = positions - positions % spec.share
    lead_epochs, lead_images = stream.at(leaders)
    place = draws.words(stream.seed, draws.AUGMENT, lead_images, lead_epochs, 0)
    if spec.crop == "random":
        offsets = draws.below(place[:, :2], spec.offsets)
    else:
        offsets = np.full((len(positions), 2), (data.size - crop) // 2, np.int32)
    reflect = (place[:, 2] >> 31).astype(np.uint8) * np.uint8(spec.reflect)
    shift = np.zeros((len(positions), 3), np.float32)
    if spec.colour:
        epochs, images = stream.at(positions)
        alpha = draws.gaussians(draws.words(stream.seed, draws.AUGMENT, images, epochs, 1))[:, :3]
        shift = (alpha * spec.colour_std * _extents(spec, data) @ data.eigenvectors.T).astype(np.float32)
    return Views(np.ascontiguousarray(offsets), reflect, shift)


def _extents(spec: AugmentSpec, data: Dataset) -> NDArray[np.float64]:
    """How far one standard deviation of alpha moves along each colour axis, in pixel values 0..255."""
    if spec.colour_by == "deviations":
        return np.sqrt(data.eigenvalues)
    return data.eigenvalues / 255.0  # the eigenvalues of pixels in 0..1 are 255^2 times smaller


Slot = tuple[Tensor, Tensor]  # the engine's memory for images and labels


@dataclass
class Batch:
    """One process's part of a minibatch, in the engine's memory."""

    images: Tensor
    labels: Tensor
    count: int


class Loader:
    """Makes the minibatches from `first_step` on, `AHEAD` of their use; errors reach the caller of `next`."""

    def __init__(
        self,
        engine: Engine,
        data: Dataset,
        recipe: Recipe,
        stream: Stream,
        place: Place,
        first_step: int,
    ) -> None:
        self._engine, self._data, self._recipe = engine.beside(), data, recipe
        self._split, self._stream = data.split(*recipe.data.splits), stream
        self._own = place.slice_of(stream.batch)
        self._ahead = Ahead(self._split, stream) if recipe.data.access == "blocks" else None
        self._mean = engine.upload(recipe.subtracted(data.mean))
        crop = recipe.net.crop
        self._free: queue.Queue[Slot | None] = queue.Queue()
        for _ in range(AHEAD + 1):
            labels = engine.upload(np.zeros(len(self._own), np.int32))
            self._free.put((engine.maps(len(self._own), 3, crop, crop), labels))
        self._made: queue.Queue[Batch | BaseException] = queue.Queue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(first_step,), daemon=True)
        self._thread.start()

    def next(self) -> Batch:
        """The next minibatch; hand it back with `done` when its step is over."""
        made = self._made.get()
        if isinstance(made, BaseException):
            raise made
        return made

    def done(self, batch: Batch) -> None:
        """The batch's memory may be used again."""
        self._free.put((batch.images, batch.labels))

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._ahead:
            self._ahead.close()
        self._free.put(None)
        self._thread.join()

    def _work(self, step: int) -> None:
        try:
            while True:
                slot = self._free.get()
                if slot is None or self._stopping.is_set():
                    return
                self._made.put(self._make(step, slot))
                step += 1
        except BaseException as error:  # whatever it is, the training has to hear of it
            self._made.put(error)

    def _make(self, step: int, slot: Slot) -> Batch:
        out, labels = slot
        spec, crop = self._recipe.augment, self._recipe.net.crop
        positions = step * self._stream.batch + np.arange(self._own.start, self._own.stop)
        if self._ahead:
            self._ahead.wait(positions)
        views = draw_views(self._stream, positions, spec, self._data, crop)
        chosen = self._stream.at(positions)[1]
        images = [self._split.image(int(index)) for index in chosen]
        divide = spec.divide if spec.colour else 1.0
        self._engine.ops.augment(images, self._mean, out, views.offsets, views.reflect, views.shift, divide=divide)
        labels[...] = self._split.labels[chosen]
        return Batch(out, labels, len(chosen))
