"""Layers in a row that an engine does in one pass: the one place where a layer is looked at beside its neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

from alexnet.engines import Engine
from alexnet.recipe import spec

Rectifiable = spec.Conv | spec.Fc
Responses = spec.Lrn | spec.LrnSpatial


@dataclass(frozen=True)
class Fusion:
    """What a layer's forward pass shares with its neighbours'."""

    rectifies: bool = False  # it ends with the ReLU above
    rectified: bool = False  # it is this ReLU: the layer below has done it
    passing: bool = False  # what it writes is read by the next forward pass alone, never by a backward pass


def fusions(layers: Sequence[spec.LayerSpec], engine: Engine) -> list[Fusion]:
    """Of each of a process's layers, from the lowest on, with what `engine` has a form for."""
    below = [None, *layers[:-1]]
    above = [*layers[1:], None]
    return [_fusion(*row, engine) for row in zip(below, layers, above, strict=True)]


def _fusion(
    below: spec.LayerSpec | None, layer: spec.LayerSpec, above: spec.LayerSpec | None, engine: Engine
) -> Fusion:
    return Fusion(
        rectifies=engine.rectifies and isinstance(layer, Rectifiable) and isinstance(above, spec.Relu),
        rectified=engine.rectifies and isinstance(below, Rectifiable) and isinstance(layer, spec.Relu),
        passing=isinstance(layer, Responses) and isinstance(above, spec.Pool),
    )
