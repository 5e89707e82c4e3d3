"""An ONNX graph that is a chain of layers, read node by node: the layers of a recipe, and their weights.

A convolution in groups makes the net one of as many columns: they meet before what sees the maps of all, and part
before the next convolution in groups. Only what this program's layers can be is taken; the rest is a Failure.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import Failure, reason
from alexnet.net.weights import Weights
from alexnet.recipe import Recipe
from alexnet.recipe.recipe import parse

PASSED = ("Reshape", "Flatten", "Squeeze", "Identity")  # which leave the order of the values as it is


class Chain:
    """The layers of a model in order; `sides` are the heights and widths of the maps that windows give."""

    def __init__(self, model: Any) -> None:
        self.weights: Weights = {}
        self.sides: dict[str, tuple[int, int]] = {}
        self._constants = _constants(model.graph)
        inputs = [each for each in model.graph.input if each.name not in self._constants]
        shape = [axis.dim_value for axis in inputs[0].type.tensor_type.shape.dim] if len(inputs) == 1 else []
        if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or not shape[2]:
            raise Failure("its input is not an image of three colours and a fixed square size")
        self._crop: int = shape[2]
        self._at = (shape[2], shape[3])
        self._columns = max((_attributes(node).get("group", 1) for node in model.graph.node), default=1)
        self._apart = False  # whether each column has its own maps only
        self._scale: float | None = None  # of the weights to come, above a dropout
        self._dropout = 0.0
        self._number = 0  # of the layers with weights
        self._layers: list[dict[str, Any]] = []
        value = inputs[0].name
        takers = {
            **{"Conv": self._conv, "Gemm": self._gemm, "Relu": self._relu, "LRN": self._lrn, "MaxPool": self._pool},
            **{"Dropout": self._drop, "Softmax": self._softmax},
        }
        for node in model.graph.node:
            if node.op_type == "Constant":
                continue
            if node.op_type not in (*takers, *PASSED) or not node.input or node.input[0] != value:
                raise Failure(f"{_called(node)}: this program has no such layer here")
            if taker := takers.get(node.op_type):
                taker(node, _attributes(node))
            value = node.output[0]

    def recipe(self) -> Recipe:
        """The net, with a schedule that is the default. Raises Failure."""
        net = {"columns": self._columns, "crop": self._crop, "layers": self._layers}
        return parse({"dropout": self._dropout, "net": net})

    def _conv(self, node: Any, settings: dict[str, Any]) -> None:
        weight, pads = self._taken(node, 1), settings.get("pads", [0, 0, 0, 0])
        groups, strides = settings.get("group", 1), settings.get("strides", [1, 1])
        self._number += 1
        name = f"conv{self._number}"
        if groups not in (1, self._columns) or set(settings.get("dilations", [1])) != {1} or weight.ndim != 4:
            raise Failure(f"{name}: this program convolves in one group or in {self._columns}, without dilation")
        self._meet(apart=groups > 1)
        layer = self._window(name, weight.shape[2:], strides, pads)
        self._layers.append({"conv": name, "kernels": len(weight), "std": "he"} | layer)
        self._keep(name, weight, self._bias(node, len(weight)))

    def _gemm(self, node: Any, settings: dict[str, Any]) -> None:
        weight = self._taken(node, 1)
        self._number += 1
        name = f"fc{self._number}"
        plain = settings.get("alpha", 1.0) == settings.get("beta", 1.0) == 1 and not settings.get("transA", 0)
        if not plain or weight.ndim != 2:
            raise Failure(f"{name}: its product is scaled or transposed; this program has no such product")
        self._meet(apart=False)
        weight = weight if settings.get("transB", 0) else np.ascontiguousarray(weight.T)
        self._layers.append({"fc": name, "units": len(weight), "std": 0.01})
        self._keep(name, weight, self._bias(node, len(weight)))

    def _relu(self, node: Any, settings: dict[str, Any]) -> None:
        self._layers.append({"relu": f"relu{self._number}"})

    def _lrn(self, node: Any, settings: dict[str, Any]) -> None:
        """ONNX divides alpha by the number of maps."""
        self._meet(apart=False)
        n, alpha = settings["size"], settings.get("alpha", 1e-4)
        k, beta = settings.get("bias", 1.0), settings.get("beta", 0.75)
        if n % 2 == 0:
            raise Failure(f"norm{self._number}: it runs over {n} maps; this program's run over an odd number")
        self._layers.append({"lrn": f"norm{self._number}", "n": n, "k": k, "alpha": alpha / n, "beta": beta})

    def _pool(self, node: Any, settings: dict[str, Any]) -> None:
        name, pads = f"pool{self._number}", settings.get("pads", [0, 0, 0, 0])
        if any(pads[:2]):
            raise Failure(f"{name}: it is padded at the top; this program pads the end alone")
        strides, up = settings.get("strides", [1, 1]), bool(settings.get("ceil_mode", 0))
        layer = self._window(name, settings["kernel_shape"], strides, pads, up=up)
        self._layers.append({"max_pool": name} | {key: layer[key] for key in ("size", "stride", "edge")})

    def _drop(self, node: Any, settings: dict[str, Any]) -> None:
        stored = self._constants.get(node.input[1]) if len(node.input) > 1 else None
        share = float(stored) if stored is not None else settings.get("ratio", 0.5)
        if not 0 <= share < 1 or self._scale is not None or self._dropout not in (0.0, share):
            raise Failure(f"drop{self._number}: a share of {share:g}; all dropouts here have one, from 0 to below 1")
        self._dropout, self._scale = share, 1 / (1 - share)
        self._layers.append({"dropout": f"drop{self._number}"})

    def _softmax(self, node: Any, settings: dict[str, Any]) -> None:
        last = self._layers[-1] if self._layers else {}
        if "fc" not in last:
            raise Failure("its softmax is of no fully connected layer's values")
        last["units"] = "classes"
        self._meet(apart=False)
        self._layers.append({"softmax": "loss"})

    def _meet(self, *, apart: bool) -> None:
        """A crossing, or a parting, where the next layer needs one."""
        if self._apart != apart:
            number = 1 + sum(next(iter(layer)) in ("exchange", "apart") for layer in self._layers)
            self._layers.append({"apart" if apart else "exchange": f"{'apart' if apart else 'cross'}{number}"})
        self._apart = apart

    def _keep(self, name: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        if self._scale is not None:
            weight = weight * np.float32(self._scale)
        self._scale, self._apart = None, self._columns > 1
        self.weights |= {f"{name}.weight": weight, f"{name}.bias": bias}

    def _bias(self, node: Any, units: int) -> NDArray[np.float32]:
        return self._taken(node, 2).reshape(-1) if len(node.input) > 2 else np.zeros(units, np.float32)

    def _taken(self, node: Any, number: int) -> NDArray[np.float32]:
        name = node.input[number] if len(node.input) > number else ""
        if name not in self._constants:
            raise Failure(f"{_called(node)}: its weights are not in the file")
        return self._constants[name].astype(np.float32)

    def _window(self, name: str, size: Any, strides: Any, pads: Any, *, up: bool = False) -> dict[str, Any]:
        """A window's keys, and how large its maps become."""
        if len({*size}) > 1 or len({*strides}) > 1 or len({*pads[:2]}) > 1 or len({*pads[2:]}) > 1:
            raise Failure(f"{name}: its window is not square; this program's are")
        count = math.ceil if up else math.floor
        high, wide = (count((side + pads[0] + pads[2] - size[0]) / strides[0]) + 1 for side in self._at)
        self._at = self.sides[name] = (high, wide)
        edge = "ceil" if up or pads[2] > pads[0] else "floor"
        return {"size": size[0], "stride": strides[0], "pad": pads[0], "edge": edge}


def _constants(graph: Any) -> dict[str, NDArray[Any]]:
    """What the file holds by name. Raises Failure where its arrays are damaged."""
    from onnx import numpy_helper

    try:
        found = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        for node in graph.node:
            stored = [each.t for each in node.attribute if each.name == "value"]
            if node.op_type == "Constant" and stored:
                found[node.output[0]] = numpy_helper.to_array(stored[0])
    except (ValueError, TypeError, OSError) as error:
        raise Failure(f"its arrays are damaged ({reason(error)})") from error
    return found


def _called(node: Any) -> str:
    return f"node {node.name or node.output[0]} ({node.op_type})"


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper

    return {each.name: helper.get_attribute_value(each) for each in node.attribute}
