"""Layers in a row that an engine does in one pass: the one place where a layer is looked at beside its neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

from alexnet.engines import Engine
from alexnet.links import Place
from alexnet.recipe import spec
from alexnet.recipe.topology import LayerShape

Rectifiable = spec.Conv | spec.Fc
Responses = spec.Lrn | spec.LrnSpatial


@dataclass(frozen=True)
class Fusion:
    """What a layer's passes share with their neighbours."""

    rectifies: bool = False  # it ends with the ReLU above
    rectified: bool = False  # it is this ReLU: the layer below has done it
    passing: bool = False  # what it writes is read by the next forward pass alone, never by a backward pass
    descends: bool = False  # its weights move within its backward pass, and their gradient is never kept


def fusions(layers: Sequence[LayerShape], engine: Engine, place: Place) -> list[Fusion]:
    """Of each of a process's layers, from the lowest on, with what `engine` has a form for."""
    specs = [each.layer for each in layers]
    below, above = [None, *specs[:-1]], [*specs[1:], None]
    return [_fusion(*row, engine, place) for row in zip(below, layers, above, strict=True)]


def _fusion(
    below: spec.LayerSpec | None, shape: LayerShape, above: spec.LayerSpec | None, engine: Engine, place: Place
) -> Fusion:
    layer = shape.layer
    one_product = isinstance(layer, spec.Fc) and place.groups(shape.input_split) == 1
    return Fusion(
        rectifies=engine.rectifies and isinstance(layer, Rectifiable) and isinstance(above, spec.Relu),
        rectified=engine.rectifies and isinstance(below, Rectifiable) and isinstance(layer, spec.Relu),
        passing=isinstance(layer, Responses) and isinstance(above, spec.Pool),
        descends=engine.fused is not None and one_product and place.replicas == 1,  # else gradients are summed
    )
