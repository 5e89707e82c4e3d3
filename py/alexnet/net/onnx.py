"""A net at test time as an ONNX graph: one function a kind of layer."""

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.recipe import spec
from alexnet.recipe.topology import LayerShape, Topology, owned

OPSET = 17


class Graph:
    """Collects the nodes of one net; `value` is the name of what flows out of the last of them.

    The first one subtracts `mean` (3, crop, crop), where it is given, from the image. `names` are those of the input
    and the output. Where the weights are `scaled` for it, dropout does nothing.
    """

    def __init__(
        self,
        dropout: float,
        shapes: Topology,
        weights: dict[str, NDArray[np.float32]],
        mean: NDArray[np.float32] | None = None,
        *,
        names: tuple[str, str] = ("image", "probs"),
        scaled: bool = False,
    ) -> None:
        self.names, self.scaled = names, scaled
        self.dropout, self.shapes, self.constants = dropout, shapes, dict[str, NDArray[Any]](weights)
        self.nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
        self.value = names[0]
        self.flat = False
        if mean is not None:
            self.add("Sub", "centred", self.constant("mean", mean[None]))
        for each in shapes.layers:
            emit(each.layer, each, self)

    def model(self, helper: Any, float_type: int) -> Any:
        """An onnx.ModelProto."""
        side = self.shapes.image.height
        graph = helper.make_graph(
            [helper.make_node(kind, ins, outs, name=outs[0], **more) for kind, ins, outs, more in self.nodes],
            "alexnet",
            [helper.make_tensor_value_info(self.names[0], float_type, ["N", 3, side, side])],
            [helper.make_tensor_value_info(self.names[1], float_type, ["N", self.shapes.classes])],
            [_tensor(helper, name, values) for name, values in self.constants.items()],
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=8, producer_name="alexnet")

    def add(self, kind: str, output: str, *more_inputs: str, **attributes: Any) -> None:
        """A node on `value`, which becomes the new one."""
        self.nodes.append((kind, [self.value, *more_inputs], [output], attributes))
        self.value = output

    def constant(self, name: str, value: Any, kind: type[np.generic] = np.float32) -> str:
        """A stored value, by its name."""
        self.constants[name] = np.array(value, kind)
        return name

    def reshape(self, output: str, shape: list[int]) -> None:
        """0 keeps an axis as it is."""
        self.add("Reshape", output, self.constant(f"{output}.shape", shape, np.int64))

    def spatial(self, name: str) -> None:
        """N x maps becomes N x maps x 1 x 1 again after an FC layer."""
        if self.flat:
            self.add("Unsqueeze", f"{name}.maps", self.constant(f"{name}.axes", [2, 3], np.int64))
            self.flat = False

    def by_column(self, each: LayerShape, size: int, emit: Callable[[str, int], None]) -> None:
        """Run `emit` on each part of the input that does not see the others; `size` is the input's axis 1."""
        name = each.layer.name
        if each.groups == 1:
            emit(name, 0)
            return
        parts = [f"{name}.in{column}" for column in range(each.groups)]
        sizes = [len(owned(size, each.groups, column)) for column in range(each.groups)]
        lengths = self.constant(f"{name}.sizes", sizes, np.int64)
        self.nodes.append(("Split", [self.value, lengths], parts, {"axis": 1}))
        outputs = []
        for column, part in enumerate(parts):
            self.value = part
            emit(f"{name}.out{column}", column)
            outputs.append(self.value)
        self.nodes.append(("Concat", outputs, [name], {"axis": 1}))
        self.value = name


def _tensor(helper: Any, name: str, values: NDArray[Any]) -> Any:
    kind = helper.np_dtype_to_tensor_dtype(values.dtype)
    return helper.make_tensor(name, kind, values.shape, values.tobytes(), raw=True)


def _window(each: LayerShape, size: int, stride: int, pad: int) -> dict[str, Any]:
    """A window's attributes, padded at the bottom and right as far as the last one reaches."""

    def beyond(side: int, count: int) -> int:
        return max(0, (count - 1) * stride + size - side - pad)

    ends = [
        beyond(each.input.height, each.output.height),
        beyond(each.input.width, each.output.width),
    ]
    return {"kernel_shape": [size] * 2, "strides": [stride] * 2, "pads": [pad, pad, *ends]}


@singledispatch
def emit(layer: spec.LayerSpec, each: LayerShape, graph: Graph) -> None:
    """The nodes of `layer`, with the shapes `each`, on what flows out of `graph` so far."""
    raise NotImplementedError(layer.kind)


@emit.register
def _conv(layer: spec.Conv, each: LayerShape, graph: Graph) -> None:
    graph.spatial(layer.name)
    window = _window(each, layer.size, layer.stride, layer.pad)
    graph.add("Conv", layer.name, f"{layer.name}.weight", f"{layer.name}.bias", group=each.groups, **window)


@emit.register
def _local(layer: spec.Local, each: LayerShape, graph: Graph) -> None:
    """Each place's patch, taken out by kernels of a single one, times the bank of the place."""
    name, groups, window = layer.name, each.groups, layer.size**2
    graph.spatial(name)
    one_hot = np.tile(np.eye(window).reshape(window, 1, layer.size, layer.size), (each.input.maps, 1, 1, 1))
    taps = _window(each, layer.size, layer.stride, layer.pad)
    graph.add("Conv", f"{name}.taps", graph.constant(f"{name}.one", one_hot), group=each.input.maps, **taps)
    kernels, rows, columns, *_ = each.weight
    places = rows * columns
    graph.reshape(f"{name}.patches", [0, groups, each.fan_in, places])  # images, groups, taps, places
    graph.add("Transpose", f"{name}.rows", perm=[1, 3, 0, 2])
    bank = graph.constants.pop(f"{name}.weight").reshape(groups, kernels // groups, places, each.fan_in)
    graph.add("MatMul", f"{name}.products", graph.constant(f"{name}.bank", bank.transpose(0, 2, 3, 1)))
    graph.add("Transpose", f"{name}.maps", perm=[2, 0, 3, 1])  # images, groups, kernels, places
    graph.reshape(f"{name}.sums", [0, kernels, rows, columns])
    graph.add("Add", name, f"{name}.bias")


@emit.register
def _fc(layer: spec.Fc, each: LayerShape, graph: Graph) -> None:
    name, units = layer.name, each.output.maps
    graph.add("Flatten", f"{name}.flat")
    graph.flat = True

    def emit(output: str, column: int) -> None:
        weight, bias = f"{name}.weight", f"{name}.bias"
        if each.groups > 1:
            rows = owned(units, each.groups, column)
            weight, bias = (
                graph.constant(f"{key}{column}", graph.constants[key][rows.start : rows.stop]) for key in (weight, bias)
            )
        graph.add("Gemm", output, weight, bias, transB=1)

    graph.by_column(each, each.input.size, emit)
    if each.groups > 1:
        del graph.constants[f"{name}.weight"], graph.constants[f"{name}.bias"]


@emit.register
def _max_pool(layer: spec.MaxPool, each: LayerShape, graph: Graph) -> None:
    graph.spatial(layer.name)
    graph.add("MaxPool", layer.name, **_window(each, layer.size, layer.stride, 0))


@emit.register
def _average_pool(layer: spec.AveragePool, each: LayerShape, graph: Graph) -> None:
    graph.spatial(layer.name)
    graph.add("AveragePool", layer.name, count_include_pad=0, **_window(each, layer.size, layer.stride, 0))


@emit.register
def _lrn(layer: spec.Lrn, each: LayerShape, graph: Graph) -> None:
    graph.spatial(layer.name)
    # The paper's sum runs from i - n/2 to i + n/2; ONNX divides alpha by the number of terms.
    size = 2 * (layer.n // 2) + 1
    settings = {"alpha": float(layer.alpha * size), "beta": float(layer.beta), "bias": float(layer.k)}
    graph.by_column(each, each.input.maps, lambda output, _: graph.add("LRN", output, size=size, **settings))


@emit.register
def _lrn_spatial(layer: spec.LrnSpatial, each: LayerShape, graph: Graph) -> None:
    name, half = layer.name, layer.n // 2
    graph.spatial(name)
    size, before = 2 * half + 1, graph.value
    window = {"kernel_shape": [size] * 2, "pads": [half] * 4, "count_include_pad": 1}
    graph.add("Mul", f"{name}.squares", before)
    graph.add("AveragePool", f"{name}.mean", **window)
    graph.add("Mul", f"{name}.sum", graph.constant(f"{name}.alpha", layer.alpha * size**2))
    graph.add("Add", f"{name}.base", graph.constant(f"{name}.k", layer.k))
    graph.add("Pow", f"{name}.factor", graph.constant(f"{name}.beta", layer.beta))
    graph.nodes.append(("Div", [before, graph.value], [name], {}))
    graph.value = name


@emit.register
def _relu(layer: spec.Relu, each: LayerShape, graph: Graph) -> None:
    graph.add("Relu", layer.name)


@emit.register
def _tanh(layer: spec.Tanh, each: LayerShape, graph: Graph) -> None:
    graph.add("Tanh", layer.name)


@emit.register
def _dropout(layer: spec.Dropout, each: LayerShape, graph: Graph) -> None:
    if graph.scaled:
        graph.add("Dropout", layer.name, graph.constant(f"{layer.name}.ratio", graph.dropout))
    else:
        graph.add("Mul", layer.name, graph.constant(f"{layer.name}.keep", 1 - graph.dropout))


@emit.register
def _exchange(layer: spec.Exchange, each: LayerShape, graph: Graph) -> None:
    """All columns are one graph."""


@emit.register
def _apart(layer: spec.Apart, each: LayerShape, graph: Graph) -> None:
    """All columns are one graph."""


@emit.register
def _softmax(layer: spec.Softmax, each: LayerShape, graph: Graph) -> None:
    graph.add("Flatten", "logits")
    graph.add("Softmax", graph.names[1], axis=1)
