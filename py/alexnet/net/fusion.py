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
    pooled: bool = False  # its responses are made by the pooling above, map by map, and are never whole
    normalises: spec.Lrn | None = None  # it is that pooling, of these responses
    masks: bool = False  # the way back through responses goes on through the ReLU below them
    masked: bool = False  # it is that ReLU


def fusions(layers: Sequence[LayerShape], engine: Engine, place: Place) -> list[Fusion]:
    """Of each of a process's layers, from the lowest on, with what `engine` has a form for."""
    padded = [None, None, *(each.layer for each in layers), None, None]
    return [_fusion(padded[at : at + 5], each, engine, place) for at, each in enumerate(layers)]


def _fusion(row: Sequence[spec.LayerSpec | None], shape: LayerShape, engine: Engine, place: Place) -> Fusion:
    """Of the layer in the middle of five."""
    lowest, below, layer, above, highest = row
    joins = engine.fused is not None
    one_product = isinstance(layer, spec.Fc) and place.groups(shape.input_split) == 1
    pooled = joins and isinstance(layer, spec.Lrn) and isinstance(above, spec.MaxPool)
    normalises = below if joins and isinstance(below, spec.Lrn) and isinstance(layer, spec.MaxPool) else None
    return Fusion(
        rectifies=engine.rectifies and isinstance(layer, Rectifiable) and isinstance(above, spec.Relu),
        rectified=engine.rectifies and isinstance(below, Rectifiable) and isinstance(layer, spec.Relu),
        passing=isinstance(layer, Responses) and isinstance(above, spec.Pool),
        descends=joins and one_product and place.replicas == 1,  # else gradients are summed
        pooled=pooled,
        normalises=normalises,
        masks=isinstance(lowest, spec.Relu)
        if normalises is not None
        else engine.masks and isinstance(layer, spec.Lrn) and isinstance(below, spec.Relu) and not pooled,
        masked=isinstance(layer, spec.Relu)
        and isinstance(above, spec.Lrn)
        and (engine.masks or (joins and isinstance(highest, spec.MaxPool))),
    )
