"""A net at work: the layers of a topology on an engine, with the crossings of a link."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from math import prod, sqrt
from typing import Any, cast

import numpy as np

from alexnet.engines import Engine, Floats, Move, Scalar, Tensor, draws
from alexnet.errors import Failure
from alexnet.links import Link
from alexnet.net.build import build
from alexnet.net.fusion import Fusion, fusions
from alexnet.net.layers import Blob, Descent, Layer, Parameter, Pass
from alexnet.net.site import Here, Site
from alexnet.recipe.spec import Apart, Exchange
from alexnet.recipe.topology import Topology

Rates = Callable[[Parameter], tuple[float, float]]  # rate and decay; a parameter of rate 0 rests
Watch = Callable[[str], AbstractContextManager[Any]]  # entered around each part of a pass, by the part's name

SUMS, UPDATE = "gradient sums", "update"


class Net:
    """The part of a net that one process owns, with memory for `batch` images.

    Without `training` there are no gradients and momenta. `losses` and `labels`, where a pass is given none, belong to
    the loss, `probs` are the softmax's outputs; `input` takes the images; `sums` are a step's loss and misses, summed
    over its own images. In a `plain` net no layer's work is part of another's, and every gradient is kept. `watch` sees
    "<layer> forward", "<layer> backward", SUMS, UPDATE.
    """

    def __init__(
        self,
        shapes: Topology,
        engine: Engine,
        link: Link,
        batch: int,
        *,
        training: bool,
        plain: bool = False,
        watch: Watch = nullcontext,
    ) -> None:
        self.topology, self.engine, self.link, self.batch, self.watch = shapes, engine, link, batch, watch
        site = Site(shapes, engine, link, batch, training=training)
        self.labels, self.losses, self.sums = site.truth.value, site.losses, site.sums
        self._truth = site.truth  # labels, which may be those of a step's own
        self.input = Blob(cast(Tensor, None), None)  # until there are images
        self.layers: list[Layer] = []
        self.outputs: dict[str, Blob] = {}
        meets = link.place.shares > 1
        working = [each for each in shapes.layers if meets or not isinstance(each.layer, Exchange | Apart)]
        found = [Fusion()] * len(working) if plain else fusions(working, engine, link.place)
        fused = {each.layer.name: fusion for each, fusion in zip(working, found, strict=True)}
        blob, learns = self.input, False
        for shape in shapes.layers:
            if (fusion := fused.get(shape.layer.name)) is not None:
                learns = learns or bool(shape.weight)
                layer = build(shape.layer, Here(site, shape, fusion, blob, learns))
                self.layers.append(layer)
                blob = layer.top
            self.outputs[shape.layer.name] = blob
        self.probs = blob.value
        self.parameters = [each for layer in self.layers for each in layer.parameters]
        first = next((at for at, layer in enumerate(self.layers) if layer.parameters), 0)
        self._learning = self.layers[first:]

    def forward(self, images: Tensor, now: Pass, labels: Tensor | None = None) -> None:
        """From images to `probs`, and to `losses` by these labels, or by `labels`."""
        self.input.value, self._truth.value = images, self.labels if labels is None else labels
        for layer in self.layers:
            with self.watch(f"{layer.name} forward"):
                layer.forward(now)

    def outputs_of(self, images: Tensor, now: Pass) -> None:
        """As `forward`; nothing is read back, so the engine may record it once and repeat it."""
        self.engine.repeat(lambda numbers: self.forward(images, now), [], (self, images, now))

    def values_of(self, layer: str, images: Tensor, now: Pass) -> Tensor:
        """The values that a layer of a plain net gives; layers above it, which may share its memory, do not run.

        Raises Failure where there is no such layer.
        """
        upto = self._upto(layer)
        self.input.value = images
        for each in self.layers:
            if each.name in upto:
                each.forward(now)
        return self.outputs[layer].value

    def above(self, layer: str, now: Pass) -> None:
        """The layers above one whose values were asked for, to `probs`."""
        upto = self._upto(layer)
        for each in self.layers:
            if each.name not in upto:
                each.forward(now)

    def _upto(self, layer: str) -> set[str]:
        """The names of a layer and of those below it."""
        last = self.topology.layers.index(self.topology[layer])
        return {each.layer.name for each in self.topology.layers[: last + 1]}

    def backward(self, now: Pass) -> None:
        """The gradient of every parameter that keeps one, summed over the replicas; the others move by
        `now.descents`. Sums begin with the layer that has made them, the highest first."""
        for layer in reversed(self._learning):
            with self.watch(f"{layer.name} backward"):
                layer.backward(now)
            self.link.average([each.gradient for each in layer.parameters if each.gradient is not None])
        with self.watch(SUMS):
            self.link.averaged()

    def step(self, images: Tensor, now: Pass, rates: Rates, momentum: float, labels: Tensor | None = None) -> None:
        """Forward, backward and update, by labels as in `forward`.

        Nothing is read back, so the engine may record it once and repeat it.
        """
        pairs = {each.name: rates(each) for each in self.parameters}
        learns = tuple(name for name, (rate, _) in pairs.items() if rate)

        def work(numbers: Sequence[Scalar]) -> None:
            step, momentum, *rest = numbers
            rates = zip(rest[::2], rest[1::2], strict=True)
            moves = [Descent(rate, momentum, decay) for rate, decay in rates]
            at = replace(now, step=step, descents=dict(zip(learns, moves, strict=True)))
            self.forward(images, at, labels)
            self.engine.tally(self.probs, self._truth.value[: now.images], self.losses[: now.images], self.sums)
            self.backward(at)
            self.update(at.descents)

        numbers = [cast(int, now.step), momentum, *(number for name in learns for number in pairs[name])]
        self.engine.repeat(work, numbers, (self, images, replace(now, step=0), learns, labels))

    def update(self, descents: Mapping[str, Descent]) -> None:
        """The moves of the parameters that keep their gradients."""
        with self.watch(UPDATE):
            self.engine.descend(
                [
                    Move(each.value, each.momentum, each.gradient, by.rate, by.momentum, by.decay)
                    for each in self.parameters
                    if each.gradient is not None and (by := descents.get(each.name)) is not None
                ]
            )

    def initialise(self, seed: int) -> None:
        """First weights: N(0, std), biases constant, momenta zero (paper, 5)."""
        for each in self.parameters:
            shape = (len(each.rows), *each.shape[1:])
            if each.is_bias:
                values = np.full(shape, each.spec.bias, np.float32)
            else:
                std = sqrt(2.0 / each.fan_in) if isinstance(each.spec.std, str) else each.spec.std
                drawn = draws.normals(seed, each.spec.name, each.rows.start * prod(shape[1:]), prod(shape))
                values = (drawn * np.float32(std)).reshape(shape)
            self._assign(each.value, values)
            if each.momentum is not None:
                self._assign(each.momentum, np.zeros_like(values))

    def load(self, weights: Mapping[str, Floats], momenta: Mapping[str, Floats] | None = None) -> None:
        """Take over whole arrays in the plain form; parameters that are not named stay as they are.

        Raises Failure where a name or a shape is not this net's.
        """
        known = {each.name: each for each in self.parameters}
        for name, values in weights.items():
            if name not in known or values.shape != known[name].shape:
                wanted = known[name].shape if name in known else "absent"
                raise Failure(f"{name}: shape {values.shape} where this net has {wanted}; use its own recipe's weights")
            each = known[name]
            rows = slice(each.rows.start, each.rows.stop)
            self._assign(each.value, values[rows])
            if momenta is not None and each.momentum is not None:
                self._assign(each.momentum, momenta[name][rows])

    def arrays(self) -> Iterator[tuple[str, Floats | None, Floats | None]]:
        """(name, weights, momenta) of each parameter, whole and plain in the first process, None elsewhere.

        Every process must go through it.
        """
        for each in self.parameters:
            yield each.name, self._whole(each, each.value), self._whole(each, each.momentum)

    def _whole(self, parameter: Parameter, values: Tensor | None) -> Floats | None:
        whole = self.link.rows(self.engine.download(values))
        return None if whole is None else whole.reshape(parameter.shape)

    def _assign(self, target: Tensor, values: Floats) -> None:
        target[...] = self.engine.upload(values.reshape(target.shape))
