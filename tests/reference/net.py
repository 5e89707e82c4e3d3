"""A two-column net: each kind of layer with its gradient, in the plain form (images, maps, height, width).

A kind is a function from its line in the recipe and the maps below to the maps above and the way back: from the
loss's gradient by the maps above to the one by the maps below.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from reference import draws

F64 = NDArray[np.float64]
einsum = partial(np.einsum, optimize=True)
Line = dict[str, Any]
Back = Callable[[F64], F64]


@dataclass
class Pass:
    """One pass: in training units are dropped by draws, at test all of them are scaled (4.2)."""

    dropout: float
    seed: int = 0
    step: int | None = None  # None at test


class Net:
    """Parameters and their gradients by name ("conv1.weight"), the last pass's outputs by layer."""

    def __init__(self, spec: Line, classes: int, seed: int) -> None:
        """First weights (5): N(0, std), or sqrt(2 / fan in) for "he"; biases constant."""
        self.columns, self.lines, self.classes, self.seed = spec["columns"], spec["layers"], classes, seed
        self.values: dict[str, F64] = {}
        self.gradients: dict[str, F64] = {}
        self.outputs: dict[str, F64] = {}
        self.forward(np.zeros((1, 3, spec["crop"], spec["crop"])), Pass(0.0))

    def forward(self, x: F64, now: Pass) -> F64:
        """The logits, (images, classes)."""
        self._now, self._way, split = now, [], False
        for line in self.lines[:-1]:
            kind, name = next(iter(line.items()))
            self._groups = self.columns if split else 1
            x, back = getattr(self, f"_{kind}")(name, line, x)
            self._way.append(back)
            self.outputs[name] = x
            split = kind != "exchange" and (split or kind in ("conv", "local", "fc"))
        return x[:, :, 0, 0]

    def backward(self, dy: F64) -> None:
        """`gradients` from the loss's gradient by the logits."""
        dy = dy[:, :, None, None]
        for back in reversed(self._way):
            dy = back(dy)

    def _parameters(self, name: str, line: Line, shape: tuple[int, ...], places: int = 1) -> tuple[F64, F64]:
        """Weights, and biases that have the first `places` of their axes."""
        if f"{name}.weight" not in self.values:
            std = math.sqrt(2 / math.prod(shape[places:])) if line["std"] == "he" else line["std"]
            self.values[f"{name}.weight"] = draws.weights(self.seed, name, shape) * std
            self.values[f"{name}.bias"] = np.full(shape[:places], float(line["bias"]))
        return self.values[f"{name}.weight"], self.values[f"{name}.bias"]

    def _conv(self, name: str, line: Line, x: F64) -> tuple[F64, Back]:
        """Each kernel sees the maps of its own column, unless the columns have met (3.2, 3.5)."""
        size, stride, pad, groups = line["size"], line.get("stride", 1), line.get("pad", 0), self._groups
        w, b = self._parameters(name, line, (line["kernels"], x.shape[1] // groups, size, size))
        side = places(x.shape[2], size, stride, pad, line.get("edge", "floor"))
        tail = max(0, (side - 1) * stride + size - x.shape[2] - pad)
        padded = np.pad(x, ((0, 0), (0, 0), (pad, tail), (pad, tail)))
        seen = np.split(windows(padded, size, stride, side), groups, axis=1)
        kernels = np.split(w, groups)
        y = np.concatenate([einsum("ncyxij,kcij->nkyx", s, k) for s, k in zip(seen, kernels, strict=True)], axis=1)

        def back(dy: F64) -> F64:
            slopes = np.split(dy, groups, axis=1)
            steps = [einsum("nkyx,ncyxij->kcij", d, s) for d, s in zip(slopes, seen, strict=True)]
            self.gradients[f"{name}.weight"] = np.concatenate(steps)
            self.gradients[f"{name}.bias"] = dy.sum(axis=(0, 2, 3))
            sent = [einsum("nkyx,kcij->ncyxij", d, k) for d, k in zip(slopes, kernels, strict=True)]
            dx = put(np.concatenate(sent, axis=1), padded.shape, stride)
            return dx[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]

        return y + b[:, None, None], back

    def _local(self, name: str, line: Line, x: F64) -> tuple[F64, Back]:
        """As _conv, with kernels and biases of each place's own."""
        size, stride, pad, groups = line["size"], line.get("stride", 1), line.get("pad", 0), self._groups
        side = places(x.shape[2], size, stride, pad, line.get("edge", "floor"))
        shape = (line["kernels"], side, side, x.shape[1] // groups, size, size)
        w, b = self._parameters(name, line, shape, places=3)
        tail = max(0, (side - 1) * stride + size - x.shape[2] - pad)
        padded = np.pad(x, ((0, 0), (0, 0), (pad, tail), (pad, tail)))
        seen = np.split(windows(padded, size, stride, side), groups, axis=1)
        banks = np.split(w, groups)
        y = np.concatenate([einsum("ncyxij,kyxcij->nkyx", s, k) for s, k in zip(seen, banks, strict=True)], axis=1)

        def back(dy: F64) -> F64:
            slopes = np.split(dy, groups, axis=1)
            steps = [einsum("nkyx,ncyxij->kyxcij", d, s) for d, s in zip(slopes, seen, strict=True)]
            self.gradients[f"{name}.weight"] = np.concatenate(steps)
            self.gradients[f"{name}.bias"] = dy.sum(axis=0)
            sent = [einsum("nkyx,kyxcij->ncyxij", d, k) for d, k in zip(slopes, banks, strict=True)]
            dx = put(np.concatenate(sent, axis=1), padded.shape, stride)
            return dx[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]

        return y + b, back

    def _fc(self, name: str, line: Line, x: F64) -> tuple[F64, Back]:
        """A kernel as large as the maps."""
        units = self.classes if line["units"] == "classes" else line["units"]
        groups = self._groups
        flat = np.split(x.reshape(len(x), -1), groups, axis=1)
        w, b = self._parameters(name, line, (units, flat[0].shape[1]))
        y = np.concatenate([f @ k.T for f, k in zip(flat, np.split(w, groups), strict=True)], axis=1) + b

        def back(dy: F64) -> F64:
            slopes = np.split(dy[:, :, 0, 0], groups, axis=1)
            self.gradients[f"{name}.weight"] = np.concatenate([d.T @ f for d, f in zip(slopes, flat, strict=True)])
            self.gradients[f"{name}.bias"] = dy.sum(axis=(0, 2, 3))
            return np.concatenate([d @ k for d, k in zip(slopes, np.split(w, groups), strict=True)], 1).reshape(x.shape)

        return y[:, :, None, None], back

    def _relu(self, name: str, line: Line, x: F64) -> tuple[F64, Back]:
        return np.maximum(x, 0), lambda dy: dy * (x > 0)

    def _tanh(self, name: str, line: Line, x: F64) -> tuple[F64, Back]:
        return np.tanh(x), lambda dy: dy * (1 - np.tanh(x) ** 2)

    def _lrn(self, name: str, line: Line, x: F64) -> tuple[F64, Back]:
        """Over n adjacent maps of the same column (3.3)."""
        column = near(x.shape[1] // self._groups, line["n"])
        maps = np.kron(np.eye(self._groups), column)
        return response(line, x, lambda a: np.einsum("ij,njyx->niyx", maps, a))

    def _lrn_spatial(self, name: str, line: Line, x: F64) -> tuple[F64, Back]:
        """Over n x n pixels of the same map (the authors' code)."""
        rows, columns = near(x.shape[2], line["n"]), near(x.shape[3], line["n"])
        return response(line, x, lambda a: rows @ a @ columns)

    def _max_pool(self, name: str, line: Line, x: F64) -> tuple[F64, Back]:
        """The largest of each window, cut off at the edge (3.4); of equals the first."""
        taps, back = pooled(line, x, -np.inf)
        flat = taps.reshape(*taps.shape[:4], -1)
        first = np.arange(flat.shape[-1]) == flat.argmax(axis=-1)[..., None]
        return flat.max(axis=-1), lambda dy: back(first.reshape(taps.shape) * dy[..., None, None])

    def _average_pool(self, name: str, line: Line, x: F64) -> tuple[F64, Back]:
        """The mean of the pixels that a window has."""
        taps, back = pooled(line, x, np.nan)
        share = ~np.isnan(taps) / (~np.isnan(taps)).sum(axis=(4, 5), keepdims=True)
        return np.nanmean(taps, axis=(4, 5)), lambda dy: back(share * dy[..., None, None])

    def _dropout(self, name: str, line: Line, x: F64) -> tuple[F64, Back]:
        now = self._now
        factor: Any = 1 - now.dropout
        if now.step is not None:
            units = math.prod(x.shape[1:])
            factor = draws.kept(now.dropout, now.seed, now.step, name, len(x), units).reshape(x.shape)
        return x * factor, lambda dy: dy * factor

    def _exchange(self, name: str, line: Line, x: F64) -> tuple[F64, Back]:
        return x, lambda dy: dy


def places(side: int, size: int, stride: int, pad: int, edge: str) -> int:
    """How many windows fit, the last of them beginning inside the padded map."""
    count = (side + 2 * pad - size) / stride
    found = (math.ceil(count) if edge == "ceil" else math.floor(count)) + 1
    return found if (found - 1) * stride < side + pad else found - 1


def windows(x: F64, size: int, stride: int, side: int) -> F64:
    """(images, maps, rows, columns, size, size)."""
    return sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride][:, :, :side, :side]


def put(values: F64, shape: tuple[int, ...], stride: int) -> F64:
    """What `windows` took, back at its pixels and added up."""
    x, (rows, columns, high, wide) = np.zeros(shape), values.shape[2:]
    for i, j in np.ndindex(high, wide):
        x[:, :, i : i + rows * stride : stride, j : j + columns * stride : stride] += values[..., i, j]
    return x


def pooled(line: Line, x: F64, outside: float) -> tuple[F64, Back]:
    """The windows of a pooling layer, cut off at the edge, and the way back."""
    size, stride = line["size"], line["stride"]
    side = places(x.shape[2], size, stride, 0, line.get("edge", "ceil"))
    tail = (0, max(0, (side - 1) * stride + size - x.shape[2]))
    padded = np.pad(x, ((0, 0), (0, 0), tail, tail), constant_values=outside)
    return (
        windows(padded, size, stride, side),
        lambda values: put(values, padded.shape, stride)[:, :, : x.shape[2], : x.shape[3]],
    )


def near(count: int, n: int) -> F64:
    """1 where j lies in max(0, i - n/2) .. min(N - 1, i + n/2) (3.3)."""
    i = np.arange(count)
    return (np.abs(i[:, None] - i) <= n // 2).astype(np.float64)


def response(line: Line, x: F64, total: Callable[[F64], F64]) -> tuple[F64, Back]:
    """x / s^beta with s = k + alpha total(x^2), `total` being a symmetric sum (3.3)."""
    alpha, beta = line["alpha"], line["beta"]
    s = line["k"] + alpha * total(x**2)

    def back(dy: F64) -> F64:
        return dy * s**-beta - 2 * alpha * beta * x * total(dy * x * s ** (-beta - 1))

    return x * s**-beta, back


def softmax(logits: F64) -> F64:
    """(images, classes)."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
