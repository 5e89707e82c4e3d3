"""Weights to and from other programs: safetensors both ways, ONNX out.

Arrays are float32 in the plain form, named "conv1.weight", "conv1.bias", ... (see `Topology.weights`).
"""

import zlib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import Failure, reason
from alexnet.files import whole_file
from alexnet.net.onnx import Graph
from alexnet.recipe import Recipe, middle
from alexnet.recipe.topology import Topology, topology

CHECKSUM = "alexnet-crc32"  # the metadata's only entry: several the library writes in any order
Weights = dict[str, NDArray[np.float32]]


def save_safetensors(path: Path, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Write `weights` whole or not at all, with a checksum in the file's metadata. Raises Failure."""
    from safetensors.numpy import save

    plain = {name: np.ascontiguousarray(values, np.float32) for name, values in weights.items()}
    _require_finite(path, plain)
    try:
        with whole_file(Path(path)) as beside:
            beside.write_bytes(save(plain, {CHECKSUM: _checksum(plain)}))
    except OSError as error:
        raise Failure(f"{path}: cannot write the weights: {reason(error)}") from None


def load_safetensors(path: Path) -> Weights:
    """Every array of a file. Raises Failure where the file is damaged, not float32 or not finite.

    A file of another program has no checksum and is taken as it is.
    """
    from safetensors import SafetensorError, safe_open

    weights: Weights = {}
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            for name in file.keys():  # noqa: SIM118 - not a mapping
                kind = file.get_slice(name).get_dtype()
                if kind != "F32":
                    raise Failure(f"{path}: {name} is {kind}: convert it to float32 (F32)")
                weights[name] = file.get_tensor(name)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise Failure(f"{path}: not a whole safetensors file: {reason(error)}") from None
    told = about.get("crc32") if about.get("format") == "alexnet" else about.get(CHECKSUM)  # the former until 0.2
    if told is not None and told != _checksum(weights):
        raise Failure(f"{path}: damaged: its checksum does not match: make it again")
    _require_finite(path, weights)
    return weights


def fitting(weights: Weights, shapes: Topology, layers: Sequence[str] | None = None) -> Weights:
    """The arrays that `shapes` asks for, in its order: of all layers, or of those that `layers` names (`*`
    stands for any text). Raises Failure that names what is missing, too much or of another shape.
    """
    wanted = shapes.weights()
    if layers is None:
        extra = [name for name in weights if name not in wanted]
        if extra:
            raise Failure(f"weights: this net has no {extra[0]}: name the layers to take, or use its own recipe")
    else:
        names = {name: name.rpartition(".")[0] for name in wanted}
        for pattern in layers:
            if not any(fnmatchcase(layer, pattern) for layer in names.values()):
                raise Failure(f"weights: no layer '{pattern}' among {', '.join(dict.fromkeys(names.values()))}")
        wanted = {
            name: shape
            for name, shape in wanted.items()
            if any(fnmatchcase(names[name], pattern) for pattern in layers)
        }
    for name, shape in wanted.items():
        if name not in weights:
            raise Failure(f"weights: {name} is missing: name the layers to take, or use another file")
        if weights[name].shape != shape:
            raise Failure(f"weights: {name} is {weights[name].shape}, this net has {shape}: use its own recipe")
    return {name: weights[name] for name in wanted}


def export_onnx(
    path: Path,
    recipe: Recipe,
    classes: int,
    weights: Weights,
    mean: NDArray[np.float32] | None = None,
    *,
    names: tuple[str, str] = ("image", "probs"),
    scaled: bool = False,
) -> None:
    """Write the net as it is at test time (dropout as a factor, section 4.2), whole or not at all.

    Input "image" (N, 3, crop, crop) float32: RGB in 0..255, from which the net subtracts the centre of `mean`
    (S, S, 3); without one, RGB less the mean. Output "probs" (N, classes). Both may have other `names`; where the
    weights are `scaled` for it, dropout does nothing. Raises Failure.
    """
    try:
        import onnx
    except ImportError:
        raise Failure("ONNX needs a package: pip install onnx") from None
    shapes = topology(recipe.net, classes)
    centre = None if mean is None else np.ascontiguousarray(middle(mean, recipe.net.crop).transpose(2, 0, 1))
    graph = Graph(recipe.dropout, shapes, fitting(weights, shapes), centre, names=names, scaled=scaled)
    model = graph.model(onnx.helper, onnx.TensorProto.FLOAT)
    try:
        onnx.checker.check_model(model)
        with whole_file(Path(path)) as beside:
            beside.write_bytes(model.SerializeToString())
    except (OSError, onnx.checker.ValidationError) as error:
        raise Failure(f"{path}: cannot write the net: {reason(error)}") from None


def _checksum(weights: Mapping[str, NDArray[np.float32]]) -> str:
    """CRC-32 over names, shapes and values, in the order of the names."""
    crc = 0
    for name in sorted(weights):
        crc = zlib.crc32(weights[name].data, zlib.crc32(f"{name} {weights[name].shape}".encode(), crc))
    return f"{crc:08x}"


def _require_finite(path: Path, weights: Mapping[str, NDArray[np.float32]]) -> None:
    for name, values in weights.items():
        if not np.isfinite(values).all():
            raise Failure(f"{path}: {name} holds values that are not finite: use weights from before they were")
