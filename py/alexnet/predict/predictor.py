"""Test-time predictions: the softmax's outputs averaged over an image's crops (paper, 4.1), and error rates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alexnet.data.format import Pixels
from alexnet.data.shards import Split
from alexnet.engines import Floats
from alexnet.net.layers import Pass
from alexnet.net.net import Net
from alexnet.recipe.spec import Apart, Exchange

CropsName = Literal["ten", "centre"]


@dataclass(frozen=True)
class Crops:
    """The views of one image: offsets (k, 2) as y, x, and which are reflected (k)."""

    offsets: NDArray[np.int32]
    reflect: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.reflect)


def centre_crop(size: int, crop: int) -> Crops:
    """The middle of the image alone."""
    return Crops(np.full((1, 2), (size - crop) // 2, np.int32), np.zeros(1, np.uint8))


def ten_crops(size: int, crop: int) -> Crops:
    """The four corners and the centre, and their reflections."""
    end, middle = size - crop, (size - crop) // 2
    five = [(0, 0), (0, end), (end, 0), (end, end), (middle, middle)]
    return Crops(np.array(five + five, np.int32), np.repeat(np.array([0, 1], np.uint8), 5))


CROPS: dict[CropsName, Callable[[int, int], Crops]] = {"ten": ten_crops, "centre": centre_crop}


@dataclass(frozen=True)
class Looked:
    """What there is to see of one image: each crop's probabilities (crops, classes); of the centre crop each layer's
    `maps` (maps, height, width), by the last layer of those that share them, and a layer's values as `features`."""

    probs: Floats
    maps: dict[str, Floats]
    features: Floats


class Predictor:
    """Class probabilities of 256x256 images by a trained net, `net.batch` views at a time."""

    def __init__(self, net: Net, mean: Floats, crops: Crops, dropout: float) -> None:
        side = net.topology.image.height
        self._net, self._crops, self._dropout = net, crops, dropout
        self._centre = centre_crop(len(mean), side)
        self._mean = net.engine.upload(mean)
        self._views = net.engine.maps(net.batch, 3, side, side)

    def __call__(self, images: Sequence[Pixels]) -> Floats:
        """(n, classes): the mean of the softmax's outputs over the crops."""
        views = [(image, view) for image in images for view in range(len(self._crops))]
        size = self._net.batch
        parts = []
        for at in range(0, len(views), size):
            part = views[at : at + size]
            self._show(part, self._crops)
            self._net.outputs_of(self._views, self._pass(len(part)))
            parts.append(self._net.engine.unpack(self._net.probs, len(part))[:, :, 0, 0])
        probs = np.concatenate(parts).reshape(len(images), len(self._crops), -1)
        mean: Floats = probs.mean(axis=1, dtype=np.float64).astype(np.float32)
        return mean

    def look(self, image: Pixels, layer: str) -> Looked:
        """All of one image in one pass, with the features by a `layer`.

        The net must be a plain one, with room for all the crops, of which the centre is one. Raises Failure where it
        has no such layer.
        """
        views = [(image, view) for view in range(len(self._crops))]
        self._show(views, self._crops)
        now = self._pass(len(views))
        centre = np.flatnonzero((self._crops.offsets == self._centre.offsets).all(axis=1))[0]
        unpack, outputs = self._net.engine.unpack, self._net.outputs
        features = unpack(self._net.values_of(layer, self._views, now), centre + 1)[centre].reshape(-1)
        self._net.above(layer, now)
        layers = [each.layer for each in self._net.topology.layers if not isinstance(each.layer, Exchange | Apart)]
        told = {id(outputs[layer.name]): layer.name for layer in layers}
        maps = {name: unpack(outputs[name].value, centre + 1)[centre] for name in told.values()}
        return Looked(unpack(self._net.probs, len(views))[:, :, 0, 0], maps, features)

    def features(self, images: Sequence[Pixels], layer: str) -> Floats:
        """(n, maps x height x width): the outputs of a layer for each image's centre crop (paper, 6.1).

        Raises Failure where the net has no such layer.
        """
        found = [np.zeros((0, self._net.topology[layer].output.size), np.float32)]
        for at in range(0, len(images), self._net.batch):
            part = images[at : at + self._net.batch]
            self._show([(image, 0) for image in part], self._centre)
            values = self._net.values_of(layer, self._views, self._pass(len(part)))
            found.append(self._net.engine.unpack(values, len(part)).reshape(len(part), -1))
        return np.concatenate(found)

    def _pass(self, images: int) -> Pass:
        return Pass(images, images, dropout=self._dropout)

    def _show(self, views: list[tuple[Pixels, int]], crops: Crops) -> None:
        """Crop, reflect and subtract the mean: the net's input."""
        chosen = [view for _, view in views]
        self._net.engine.ops.augment(
            [image for image, _ in views],
            self._mean,
            self._views,
            np.ascontiguousarray(crops.offsets[chosen]),
            np.ascontiguousarray(crops.reflect[chosen]),
            np.zeros((len(views), 3), np.float32),
            divide=1.0,
        )


def predict_split(
    predictor: Predictor, split: Split, chosen: range, advance: Callable[[int], None] = lambda count: None
) -> Floats:
    """(n, classes) for the chosen images of a split, in its order."""
    step = 64
    parts = []
    for at in range(chosen.start, chosen.stop, step):
        part = range(at, min(at + step, chosen.stop))
        parts.append(predictor([split.image(index) for index in part]))
        advance(len(part))
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
