"""A net at work: the layers of a topology on an engine, with the crossings of a link."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod, sqrt

import numpy as np

from alexnet.engines import Engine, Floats, Scalar, Tensor, draws
from alexnet.errors import Failure
from alexnet.links import Link
from alexnet.net.layers import (
    AveragePooling,
    Blob,
    Convolution,
    Crossing,
    DropOut,
    FullyConnected,
    HyperbolicTangent,
    Layer,
    MaxPooling,
    Parameter,
    Pass,
    Rectified,
    Rectifier,
    ResponseNormalisation,
    SoftmaxLoss,
    SpatialResponseNormalisation,
)
from alexnet.recipe import (
    AveragePool,
    Conv,
    Dropout,
    Exchange,
    Fc,
    LayerSpec,
    Lrn,
    LrnSpatial,
    MaxPool,
    Relu,
    Softmax,
    Tanh,
)
from alexnet.recipe.topology import LayerShape, Shape, Topology

Rates = Callable[[Parameter], tuple[float, float]]  # rate and decay; a parameter of rate 0 rests


class Net:
    """The part of a net that one process owns, with memory for `batch` images.

    Without `training` there are no gradients and momenta. `labels` and `losses` belong to the loss, `probs` are the
    softmax's outputs; `input` takes the images.
    """

    def __init__(self, shapes: Topology, engine: Engine, link: Link, batch: int, *, training: bool) -> None:
        self.topology, self.engine, self.link, self.batch = shapes, engine, link, batch
        self.input = Blob(None, None)
        self.labels = engine.upload(np.zeros(batch, np.int32))
        self.losses = engine.upload(np.zeros(batch, np.float64))
        builder = _Builder(self, training)
        self.layers: list[Layer] = []
        self.outputs: dict[str, Blob] = {}
        blob = self.input
        above = [each.layer for each in shapes.layers[1:]]
        for shape, reader in zip(shapes.layers, [*above, None], strict=True):
            layer, blob = builder.build(shape, blob, reader)
            self.outputs[shape.layer.name] = blob
            if layer is not None:
                self.layers.append(layer)
        self.probs: Tensor = blob.value
        self.parameters = [each for layer in self.layers for each in layer.parameters]
        first = next((at for at, layer in enumerate(self.layers) if layer.parameters), 0)
        self._learning = self.layers[first:]

    def forward(self, images: Tensor, now: Pass) -> None:
        """From images to `probs`, and to `losses` by `labels`."""
        self.input.value = images
        for layer in self.layers:
            layer.forward(now)

    def backward(self, now: Pass) -> None:
        """The gradient of every parameter, summed over the replicas."""
        for layer in reversed(self._learning):
            layer.backward(now)
        self.link.average([each.gradient for each in self.parameters])

    def step(self, images: Tensor, now: Pass, rates: Rates, momentum: float) -> None:
        """Forward, backward and update; nothing is read back, so the engine may record it once and repeat it."""
        pairs = {each.name: rates(each) for each in self.parameters}
        learns = tuple(name for name, (rate, _) in pairs.items() if rate)

        def work(numbers: Sequence[Scalar]) -> None:
            step, momentum, *rest = numbers
            given = dict(zip(learns, zip(rest[::2], rest[1::2], strict=True), strict=True))
            at = replace(now, step=step)
            self.forward(images, at)
            self.backward(at)
            self.update(given, momentum)

        numbers = [now.step, momentum, *(number for name in learns for number in pairs[name])]
        self.engine.repeat(work, numbers, (self, images, replace(now, step=0), learns))

    def update(self, rates: Mapping[str, tuple[Scalar, Scalar]], momentum: Scalar) -> None:
        """v <- momentum v - decay rate w - rate g; w <- w + v, by the (rate, decay) of each parameter (paper, 5)."""
        for each in self.parameters:
            if each.name in rates:
                rate, decay = rates[each.name]
                self.engine.ops.sgd(each.value, each.momentum, each.gradient, rate=rate, momentum=momentum, decay=decay)

    def initialise(self, seed: int) -> None:
        """First weights: N(0, std), biases constant, momenta zero (paper, 5)."""
        for each in self.parameters:
            rows = len(each.rows)
            if each.is_bias:
                values = np.full(rows, each.spec.bias, np.float32)
            else:
                fan_in = prod(each.shape[1:])
                std = sqrt(2.0 / fan_in) if isinstance(each.spec.std, str) else each.spec.std
                drawn = draws.normals(seed, each.spec.name, each.rows.start * fan_in, rows * fan_in)
                values = (drawn * np.float32(std)).reshape(rows, *each.shape[1:])
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

    def _whole(self, parameter: Parameter, values: Tensor) -> Floats | None:
        whole = self.link.rows(self.engine.download(values))
        return None if whole is None else whole.reshape(parameter.shape)

    def _assign(self, target: Tensor, values: Floats) -> None:
        target[...] = self.engine.upload(values.reshape(target.shape))


class _Builder:
    """Makes each layer with its memory.

    Gradients alternate between two arenas: a layer needs two at a time. The forward pass, which has no gradients yet,
    keeps there what the backward pass does not read: responses that are only pooled.
    """

    def __init__(self, net: Net, training: bool) -> None:
        self.net, self.training = net, training
        self.engine, self.place = net.engine, net.link.place
        self._arenas: list[Tensor] = []
        if training:
            sides = [self._local(shape.output, shape.output_split) for shape in net.topology.layers]
            largest = max(sides, key=lambda side: side.size)
            self._arenas = [self.engine.maps(net.batch, *largest) for _ in range(2)]
        self._fleeting = False  # whether the maps above are read in the forward pass alone
        self._learns = False  # whether a layer below has parameters, and so wants a gradient

    def build(self, shape: LayerShape, bottom: Blob, reader: LayerSpec | None) -> tuple[Layer | None, Blob]:
        """The layer at work (None where it has nothing to do here) and the blob above it, which `reader` reads."""
        self._fleeting = isinstance(shape.layer, Lrn | LrnSpatial) and isinstance(reader, MaxPool | AveragePool)
        maker = _MAKERS[type(shape.layer)]
        layer, top = maker(self, shape, bottom)
        self._learns = self._learns or bool(shape.weight)
        return layer, top

    def conv(self, shape: LayerShape, bottom: Blob) -> tuple[Layer, Blob]:
        spec = shape.layer
        assert isinstance(spec, Conv)
        settings = {"stride": spec.stride, "pad": spec.pad, "groups": self._groups(shape)}
        return self._convolution(shape, spec, bottom, shape.weight, settings)

    def fc(self, shape: LayerShape, bottom: Blob) -> tuple[Layer, Blob]:
        spec = shape.layer
        assert isinstance(spec, Fc)
        if self._groups(shape) > 1:  # units that see their own column alone: kernels as large as the maps
            if shape.weight[0] % shape.groups:
                raise Failure(
                    f"fc '{spec.name}': its {shape.weight[0]} units do not divide by {shape.groups} columns that one "
                    f"process owns; use --procs {shape.groups}, or put an exchange before it"
                )
            maps, height, width = shape.input
            whole = (shape.weight[0], maps // shape.groups, height, width)
            settings = {"stride": 1, "pad": 0, "groups": self._groups(shape)}
            return self._convolution(shape, spec, bottom, whole, settings)
        top = self._top(shape, learns=True)
        weight, bias = self._parameters(shape, spec, shape.weight)
        return FullyConnected(self.engine.ops, bottom, top, weight, bias), top

    def max_pool(self, shape: LayerShape, bottom: Blob) -> tuple[Layer, Blob]:
        assert isinstance(shape.layer, MaxPool)
        top = self._top(shape)
        return MaxPooling(self.engine.ops, bottom, top, shape.layer, self.engine.bytes_like(top.value)), top

    def average_pool(self, shape: LayerShape, bottom: Blob) -> tuple[Layer, Blob]:
        assert isinstance(shape.layer, AveragePool)
        top = self._top(shape)
        return AveragePooling(self.engine.ops, bottom, top, shape.layer), top

    def lrn(self, shape: LayerShape, bottom: Blob) -> tuple[Layer, Blob]:
        assert isinstance(shape.layer, Lrn)
        top = self._top(shape)
        return ResponseNormalisation(self.engine.ops, bottom, top, shape.layer, self._groups(shape)), top

    def lrn_spatial(self, shape: LayerShape, bottom: Blob) -> tuple[Layer, Blob]:
        assert isinstance(shape.layer, LrnSpatial)
        top = self._top(shape)
        return SpatialResponseNormalisation(self.engine.ops, bottom, top, shape.layer), top

    def relu(self, shape: LayerShape, bottom: Blob) -> tuple[Layer, Blob]:
        below = self.net.layers[-1] if self.net.layers else None
        if self.engine.rectifies and isinstance(below, Convolution | FullyConnected) and below.top is bottom:
            below.fused["relu"] = True
            return Rectified(self.engine.ops, bottom, bottom), bottom
        return Rectifier(self.engine.ops, bottom, bottom), bottom

    def tanh(self, shape: LayerShape, bottom: Blob) -> tuple[Layer, Blob]:
        return HyperbolicTangent(self.engine.ops, bottom, bottom), bottom

    def dropout(self, shape: LayerShape, bottom: Blob) -> tuple[Layer, Blob]:
        first = self.place.rows_of(shape.output.maps).start if shape.output_split else 0
        unit = first * shape.output.height * shape.output.width
        return DropOut(self.engine.ops, bottom, bottom, shape.layer.name, unit), bottom

    def exchange(self, shape: LayerShape, bottom: Blob) -> tuple[Layer | None, Blob]:
        if self.place.shares == 1:
            return None, bottom
        top = self._top(shape)
        return Crossing(self.engine.ops, bottom, top, self.net.link), top

    def softmax(self, shape: LayerShape, bottom: Blob) -> tuple[Layer, Blob]:
        top = Blob(self.engine.maps(self.net.batch, *shape.output), None)
        below = bottom if self.training else Blob(bottom.value, self.engine.maps(self.net.batch, *shape.output))
        return SoftmaxLoss(self.engine.ops, below, top, self.net.labels, self.net.losses, self.place.shares), top

    def _convolution(
        self,
        shape: LayerShape,
        spec: Conv | Fc,
        bottom: Blob,
        whole: tuple[int, ...],
        settings: dict[str, int],
    ) -> tuple[Layer, Blob]:
        top = self._top(shape, learns=True)
        weight, bias = self._parameters(shape, spec, whole)
        return Convolution(self.engine.ops, bottom, top, weight, bias, settings), top

    def _parameters(self, shape: LayerShape, spec: Conv | Fc, working: tuple[int, ...]) -> tuple[Parameter, Parameter]:
        """Weights and biases; the operation sees the weights' rows in the shape `working`."""
        rows = self.place.rows_of(working[0])

        def parameter(kind: str, plain: tuple[int, ...], working: tuple[int, ...]) -> Parameter:
            own = (len(rows), *working[1:])
            memory = [self.engine.upload(np.zeros(own, np.float32)) for _ in range(3 if self.training else 1)]
            return Parameter(f"{spec.name}.{kind}", spec, rows, plain, *memory)

        return parameter("weight", shape.weight, working), parameter("bias", shape.weight[:1], working[:1])

    def _top(self, shape: LayerShape, learns: bool = False) -> Blob:
        """New maps above a layer; they have a gradient where a layer up to here learns."""
        side = self._local(shape.output, shape.output_split)
        gradient = None
        if self.training and (learns or self._learns):
            self._arenas.reverse()
            gradient = self.engine.maps(self.net.batch, *side, within=self._arenas[0])
        within = self._arenas[0] if self.training and self._fleeting else None
        return Blob(self.engine.maps(self.net.batch, *side, within=within), gradient)

    def _local(self, shape: Shape, split: bool) -> Shape:
        return shape._replace(maps=len(self.place.rows_of(shape.maps))) if split else shape

    def _groups(self, shape: LayerShape) -> int:
        return len(self.place.owned) if shape.input_split else 1


_MAKERS = {
    Conv: _Builder.conv,
    Fc: _Builder.fc,
    MaxPool: _Builder.max_pool,
    AveragePool: _Builder.average_pool,
    Lrn: _Builder.lrn,
    LrnSpatial: _Builder.lrn_spatial,
    Relu: _Builder.relu,
    Tanh: _Builder.tanh,
    Dropout: _Builder.dropout,
    Exchange: _Builder.exchange,
    Softmax: _Builder.softmax,
}
