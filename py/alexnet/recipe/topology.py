"""The shapes of a net, by arithmetic alone: maps, crossings, weights, parameters, multiply-adds.

Every shape counts all columns; what one column owns follows from `split`. Weights are in the plain form:
(out, in / groups, height, width), (out, in / groups) or, with a bank for each place of the output, (out, its height,
its width, in / groups, height, width); column 1's rows before column 2's.
"""

import math
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import NamedTuple

from alexnet.errors import Failure
from alexnet.recipe import spec
from alexnet.recipe.tables import nearest

COLOURS = 3


class Shape(NamedTuple):
    """maps x height x width, over all columns."""

    maps: int
    height: int
    width: int

    @property
    def size(self) -> int:
        """The number of values."""
        return self.maps * self.height * self.width

    def __str__(self) -> str:
        return f"{self.maps}x{self.height}x{self.width}"


@dataclass(frozen=True)
class LayerShape:
    """A layer in its place.

    `input_split`, `output_split`: a column holds only its own part of the maps, else all columns hold all.
    `groups`: the parts of the input that do not see each other: the columns where the input is split, else 1.
    `weight`, `bias`: the plain shapes of its parameters, () where it has none; a row (axis 0) belongs to one column.
    `fan_in`: how many values a unit sees. `multiply_adds`: for one image, forward.
    """

    layer: spec.LayerSpec
    input: Shape
    output: Shape
    input_split: bool
    output_split: bool
    groups: int = 1
    weight: tuple[int, ...] = ()
    bias: tuple[int, ...] = ()
    fan_in: int = 0
    multiply_adds: int = 0

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return math.prod(self.weight) + math.prod(self.bias) if self.weight else 0


@dataclass(frozen=True)
class Topology:
    """A net's layers with their shapes, from the image to the loss."""

    columns: int
    classes: int
    image: Shape
    layers: tuple[LayerShape, ...] = field(repr=False)

    @property
    def parameters(self) -> int:
        """All weights and biases."""
        return sum(each.parameters for each in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Of one image, forward."""
        return sum(each.multiply_adds for each in self.layers)

    def weights(self) -> dict[str, tuple[int, ...]]:
        """The plain shape of every parameter array: "conv1.weight", "conv1.bias", ... in the net's order."""
        shapes: dict[str, tuple[int, ...]] = {}
        for each in self.layers:
            if each.weight:
                shapes[f"{each.layer.name}.weight"] = each.weight
                shapes[f"{each.layer.name}.bias"] = each.bias
        return shapes

    def __getitem__(self, name: str) -> LayerShape:
        """The layer of this name. Raises Failure where there is none."""
        known = {each.layer.name: each for each in self.layers}
        if name not in known:
            raise Failure(f"no layer '{name}' in this net, the nearest is '{nearest(name, known)}'")
        return known[name]


def owned(units: int, columns: int, column: int) -> range:
    """The rows of `units` that a column (0-based) owns: contiguous, near equal."""
    return range(column * units // columns, (column + 1) * units // columns)


def topology(net: spec.NetSpec, classes: int) -> Topology:
    """Lay out `net` for data with `classes` classes. Raises Failure that names the layer and what to do."""
    if not net.layers or not isinstance(net.layers[-1], spec.Softmax):
        raise Failure('net.layers: the last layer must be { softmax = "loss" }')
    image = Shape(COLOURS, net.crop, net.crop)
    shape, split = image, False
    laid: list[LayerShape] = []
    for layer in net.layers:
        groups = net.columns if split else 1
        here = lay(layer, LayerShape(layer, shape, shape, split, split, groups), net.columns, classes)
        laid.append(here)
        shape, split = here.output, here.output_split
    return Topology(net.columns, classes, image, tuple(laid))


@singledispatch
def lay(layer: spec.LayerSpec, here: LayerShape, columns: int, classes: int) -> LayerShape:
    """`layer` with its own shapes; `here` is the layer in its place, the output like the input.

    Raises Failure where its settings do not fit there.
    """
    return here


@lay.register
def _conv(layer: spec.Conv, here: LayerShape, columns: int, classes: int) -> LayerShape:
    output = _kernels(layer, here, columns)
    return _weighted(here, output, columns, _window(layer, here))


@lay.register
def _local(layer: spec.Local, here: LayerShape, columns: int, classes: int) -> LayerShape:
    output = _kernels(layer, here, columns)
    return _weighted(here, output, columns, _window(layer, here), places=output[1:])


@lay.register
def _fc(layer: spec.Fc, here: LayerShape, columns: int, classes: int) -> LayerShape:
    units = classes if isinstance(layer.units, str) else layer.units
    if units < columns:
        raise Failure(f"fc '{layer.name}': {units} units are too few for {columns} columns")
    return _weighted(here, Shape(units, 1, 1), columns, (_equal_parts(here, here.input.size, "input values"),))


@lay.register
def _pool(layer: spec.Pool, here: LayerShape, columns: int, classes: int) -> LayerShape:
    return replace(here, output=Shape(here.input.maps, *_windows(here, layer, 0)))


@lay.register
def _lrn(layer: spec.Lrn, here: LayerShape, columns: int, classes: int) -> LayerShape:
    _equal_parts(here, here.input.maps, "maps")
    return here


@lay.register
def _exchange(layer: spec.Exchange, here: LayerShape, columns: int, classes: int) -> LayerShape:
    if columns > 1 and not here.input_split:
        raise Failure(f"exchange '{layer.name}': every column sees all maps already: leave it out")
    return replace(here, output_split=False, groups=1)


@lay.register
def _apart(layer: spec.Apart, here: LayerShape, columns: int, classes: int) -> LayerShape:
    if columns > 1 and here.input_split:
        raise Failure(f"apart '{layer.name}': the columns are apart already: leave it out")
    if here.input.maps < columns:
        raise Failure(f"apart '{layer.name}': {here.input.maps} maps are too few for {columns} columns")
    return replace(here, output_split=columns > 1)


@lay.register
def _softmax(layer: spec.Softmax, here: LayerShape, columns: int, classes: int) -> LayerShape:
    if here.input_split:
        raise Failure(f"softmax '{layer.name}' needs all columns' values: put an exchange before it")
    if here.input != (classes, 1, 1):
        raise Failure(
            f"softmax '{layer.name}' gets {here.input} values for {classes} classes: "
            'put an fc layer with units = "classes" before it'
        )
    return here


def _weighted(
    here: LayerShape, output: Shape, columns: int, seen: tuple[int, ...], places: tuple[int, ...] = ()
) -> LayerShape:
    """A layer whose units see `seen` values each; their weights and biases are one set, or one for each of `places`."""
    bias = (output.maps, *places)
    fan_in = math.prod(seen)
    return replace(
        here,
        output=output,
        output_split=columns > 1,
        weight=bias + seen,
        bias=bias,
        fan_in=fan_in,
        multiply_adds=fan_in * output.size,
    )


def _kernels(layer: spec.Kernels, here: LayerShape, columns: int) -> Shape:
    """The output of kernels on windows."""
    if layer.pad >= layer.size:
        raise Failure(f"{layer.kind} '{layer.name}': pad {layer.pad} must be less than size {layer.size}")
    if layer.kernels % columns:
        raise Failure(
            f"{layer.kind} '{layer.name}': {layer.kernels} kernels do not divide by {columns} columns: "
            f"use {-(-layer.kernels // columns) * columns}"
        )
    return Shape(layer.kernels, *_windows(here, layer, layer.pad))


def _window(layer: spec.Kernels, here: LayerShape) -> tuple[int, int, int]:
    """What a kernel sees."""
    return _equal_parts(here, here.input.maps, "maps"), layer.size, layer.size


def _windows(here: LayerShape, layer: spec.Kernels | spec.Pool, pad: int) -> tuple[int, int]:
    """How many windows fit: rounded as `edge` says, and the last one must begin inside the padded map."""
    rounded = math.ceil if layer.edge == "ceil" else math.floor

    def along(side: int) -> int:
        room = side + 2 * pad - layer.size
        if room < 0:
            raise Failure(
                f"{layer.kind} '{layer.name}': a window of {layer.size} does not fit its {here.input} input: "
                "use a larger net.crop or a smaller size, or leave out a pooling layer before it"
            )
        count = rounded(room / layer.stride) + 1
        return count if (count - 1) * layer.stride < side + pad else count - 1

    return along(here.input.height), along(here.input.width)


def _equal_parts(here: LayerShape, number: int, what: str) -> int:
    """`number` over the groups. Raises Failure when they would differ."""
    if number % here.groups:
        layer = here.layer
        raise Failure(
            f"{layer.kind} '{layer.name}': its {number} {what} do not divide by {here.groups} columns: "
            f"change their number, or put an exchange before it"
        )
    return number // here.groups
