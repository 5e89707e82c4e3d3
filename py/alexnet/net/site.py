"""Where a layer is built: the process's part of the net, the memory there, the layer's place in it."""

from dataclasses import dataclass

import numpy as np

from alexnet.engines import Engine, Fused, Operations, Tensor
from alexnet.links import Link
from alexnet.net.fusion import Fusion
from alexnet.net.layers import Blob, Parameter
from alexnet.recipe.spec import Weighted
from alexnet.recipe.topology import LayerShape, Shape, Topology


class Site:
    """The part of a net that one process owns, with memory for `batch` images.

    Gradients alternate between two arenas: a layer needs two at a time. The forward pass, which has no gradients yet,
    keeps there what the backward pass does not read.
    """

    def __init__(self, shapes: Topology, engine: Engine, link: Link, batch: int, *, training: bool) -> None:
        self.engine, self.link, self.batch, self.training = engine, link, batch, training
        self.truth = Blob(engine.upload(np.zeros(batch, np.int32)), None)
        self.losses = engine.upload(np.zeros(batch, np.float64))
        self.sums = engine.upload(np.zeros(2, np.float64))
        self._arenas: list[Tensor] = []
        if training:
            sides = [self._local(each.output, each.output_split) for each in shapes.layers]
            largest = max(sides, key=lambda side: side.size)
            self._arenas = [engine.maps(batch, *largest) for _ in range(2)]

    def blob(self, shape: Shape, split: bool, *, learns: bool, passing: bool) -> Blob:
        """New maps; they have a gradient where a layer `learns` below, and are `passing` as in `Fusion`."""
        side = self._local(shape, split)
        gradient = None
        if self.training and learns:
            self._arenas.reverse()
            gradient = self.engine.maps(self.batch, *side, within=self._arenas[0])
        within = self._arenas[0] if self.training and passing else None
        return Blob(self.engine.maps(self.batch, *side, within=within), gradient)

    def _local(self, shape: Shape, split: bool) -> Shape:
        return shape._replace(maps=len(self.link.place.rows_of(shape.maps))) if split else shape


@dataclass(frozen=True)
class Here:
    """One layer's place: between `bottom` and what it puts above."""

    site: Site
    shape: LayerShape
    fusion: Fusion
    bottom: Blob
    learns: bool  # whether this layer or one below has parameters

    @property
    def base(self) -> tuple[str, Operations, Blob]:
        """What every layer at work begins with."""
        return self.shape.layer.name, self.site.engine.ops, self.bottom

    @property
    def fused(self) -> Fused:
        """The operations that join layers; for a fusion, which is there where they are."""
        assert self.site.engine.fused is not None
        return self.site.engine.fused

    @property
    def groups(self) -> int:
        """How many of the process's columns do not see each other here."""
        return self.site.link.place.groups(self.shape.input_split)

    def top(self) -> Blob:
        """New maps above the layer."""
        shape = self.shape
        return self.site.blob(shape.output, shape.output_split, learns=self.learns, passing=self.fusion.passing)

    def parameters(self, spec: Weighted, working: tuple[int, ...]) -> tuple[Parameter, Parameter]:
        """Weights and biases; the operation sees the weights in the shape `working`, of which axis 0 is the rows."""
        site, shape = self.site, self.shape
        rows = site.link.place.rows_of(working[0])

        def parameter(kind: str, plain: tuple[int, ...], working: tuple[int, ...]) -> Parameter:
            own = (len(rows), *working[1:])
            name, is_bias = f"{spec.name}.{kind}", kind == "bias"
            kept = 1 if not site.training else 2 if self.fusion.descends and not is_bias else 3
            memory = [site.engine.upload(np.zeros(own, np.float32)) for _ in range(kept)]
            return Parameter(name, spec, is_bias, shape.fan_in, rows, plain, *memory)

        return parameter("weight", shape.weight, working), parameter("bias", shape.bias, shape.bias)
