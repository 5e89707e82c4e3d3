"""Caffe's AlexNet (bvlc_alexnet) as an ONNX file: a chain of layers, to a recipe in columns and back.

It sees BGR of 0..255 less a mean: the first kernels are turned round. Its two groups are two columns; its response
normalisation runs over the maps of both, so the columns meet below it and part above. Dropout does nothing at test,
where this program scales: the weights above take in the factor.
"""

from pathlib import Path
from typing import Any

import numpy as np

from alexnet.errors import Failure, reason
from alexnet.net.chain import Chain
from alexnet.net.weights import Weights, export_onnx, fitting
from alexnet.recipe import Recipe, spec
from alexnet.recipe.topology import topology

MEAN = (122.67891434, 116.66876762, 104.00698793)  # RGB
INPUT, OUTPUT = "data_0", "prob_1"  # as the zoo's file names them


def read(path: Path) -> tuple[Recipe, Weights]:
    """The recipe and weights of a file. Raises Failure where it is no chain of this program's layers."""
    chain = Chain(_model(path))
    recipe = chain.recipe()
    weights = _turned(chain.weights, recipe)
    shapes = topology(recipe.net, len(weights[list(weights)[-1]]))
    for name, sides in chain.sides.items():
        if (shapes[name].output.height, shapes[name].output.width) != sides:
            raise Failure(f"{name} gives maps of {sides}, which this program's padding does not: it cannot be taken")
    return recipe, fitting(weights, shapes)


def write(path: Path, recipe: Recipe, classes: int, weights: Weights) -> None:
    """Write the net for BGR less the mean, its dropout without effect. Raises Failure."""
    halved = _turned(weights, recipe)
    dropped = False
    for layer in recipe.net.layers:
        if isinstance(layer, spec.Weighted) and dropped:
            halved[f"{layer.name}.weight"] = halved[f"{layer.name}.weight"] * np.float32(1 - recipe.dropout)
            dropped = False
        dropped = dropped or isinstance(layer, spec.Dropout)
    export_onnx(path, recipe, classes, halved, names=(INPUT, OUTPUT), scaled=True)


def _turned(weights: Weights, recipe: Recipe) -> Weights:
    """RGB for BGR, or back, in the first layer."""
    first = next(f"{layer.name}.weight" for layer in recipe.net.layers if isinstance(layer, spec.Weighted))
    return {**weights, first: np.ascontiguousarray(weights[first][:, ::-1])}


def _model(path: Path) -> Any:
    try:
        import onnx
    except ImportError:
        raise Failure("ONNX needs a package: pip install onnx") from None
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        return model
    except Exception as error:  # of protobuf's many kinds
        raise Failure(f"not a whole ONNX file ({reason(error)[:200]})") from error
