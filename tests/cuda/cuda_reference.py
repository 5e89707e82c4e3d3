"""The operations in float64, from their formulas, on plain maps (images, maps, height, width)."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Window = tuple[slice, slice, slice, slice]


def _taps(x: Any, w: Any, y_shape: tuple[int, ...], stride: int, pad: int, groups: int) -> Any:
    """For each group and kernel position: the kernel and map slices, and x's pixels under it (paper, 3.5)."""
    n, c, height, width = x.shape
    _, _, oh, ow = y_shape
    k, cg, kh, kw = w.shape
    bottom, right = (oh - 1) * stride + kh, (ow - 1) * stride + kw
    wide = np.zeros((n, c, max(bottom, height + pad), max(right, width + pad)))
    wide[:, :, pad : pad + height, pad : pad + width] = x
    for group, ky, kx in product(range(groups), range(kh), range(kw)):
        kernels = slice(group * k // groups, (group + 1) * k // groups)
        maps = slice(group * cg, (group + 1) * cg)
        rows, columns = slice(ky, ky + oh * stride, stride), slice(kx, kx + ow * stride, stride)
        yield kernels, maps, (ky, kx), (rows, columns), wide[:, maps, rows, columns][:, :, :oh, :ow]


def conv(x: Any, w: Any, b: Any, y_shape: tuple[int, ...], stride: int, pad: int, groups: int) -> Doubles:
    y = np.zeros(y_shape) + b[:, None, None]
    for kernels, _, tap, _, pixels in _taps(x, w, y_shape, stride, pad, groups):
        y[:, kernels] += np.einsum("nchw,kc->nkhw", pixels, w[kernels, :, *tap].astype(np.float64))
    return y


def conv_gradients(x: Any, w: Any, dy: Any, stride: int, pad: int, groups: int) -> tuple[Doubles, Doubles, Doubles]:
    """dx, dw, db."""
    dy = dy.astype(np.float64)
    n, c, height, width = x.shape
    reach = [max((dy.shape[i] - 1) * stride + w.shape[i], x.shape[i] + pad) for i in (2, 3)]
    wide, dw = np.zeros((n, c, *reach)), np.zeros(w.shape)
    for kernels, maps, tap, (rows, columns), pixels in _taps(x, w, dy.shape, stride, pad, groups):
        dw[kernels, :, *tap] = np.einsum("nkhw,nchw->kc", dy[:, kernels], pixels)
        under = np.einsum("nkhw,kc->nchw", dy[:, kernels], w[kernels, :, *tap].astype(np.float64))
        wide[:, maps, rows, columns][:, :, : dy.shape[2], : dy.shape[3]] += under
    return wide[:, :, pad : pad + height, pad : pad + width], dw, dy.sum((0, 2, 3))


def _windows(side: int, out: int, size: int, stride: int) -> list[slice]:
    return [slice(i * stride, min(i * stride + size, side)) for i in range(out)]


def pool_windows(x_shape: tuple[int, ...], y_shape: tuple[int, ...], size: int, stride: int) -> Any:
    """(oy, ox, rows, columns) of every window, clipped at the edge (paper, 3.4)."""
    rows, columns = (_windows(x_shape[i], y_shape[i], size, stride) for i in (2, 3))
    for (oy, row), (ox, column) in product(enumerate(rows), enumerate(columns)):
        yield oy, ox, row, column


def max_pool(x: Any, y_shape: tuple[int, ...], size: int, stride: int) -> tuple[Doubles, NDArray[np.int64]]:
    """The maxima, and the place of each in its window: ky * size + kx of the first."""
    y, where = np.zeros(y_shape), np.zeros(y_shape, np.int64)
    for oy, ox, rows, columns in pool_windows(x.shape, y_shape, size, stride):
        window = x[:, :, rows, columns]
        flat = window.reshape(*window.shape[:2], -1)
        y[:, :, oy, ox] = flat.max(2)
        ky, kx = np.unravel_index(flat.argmax(2), window.shape[2:])
        where[:, :, oy, ox] = ky * size + kx
    return y, where


def max_pool_gradient(dy: Any, where: Any, x_shape: tuple[int, ...], size: int, stride: int) -> Doubles:
    dx = np.zeros(x_shape)
    for n, c, oy, ox in np.ndindex(*dy.shape):
        ky, kx = divmod(int(where[n, c, oy, ox]), size)
        dx[n, c, oy * stride + ky, ox * stride + kx] += dy[n, c, oy, ox]
    return dx


def average_pool(x: Any, y_shape: tuple[int, ...], size: int, stride: int) -> Doubles:
    y = np.zeros(y_shape)
    for oy, ox, rows, columns in pool_windows(x.shape, y_shape, size, stride):
        y[:, :, oy, ox] = x[:, :, rows, columns].mean((2, 3), dtype=np.float64)
    return y


def average_pool_gradient(dy: Any, x_shape: tuple[int, ...], size: int, stride: int) -> Doubles:
    dx = np.zeros(x_shape)
    for oy, ox, rows, columns in pool_windows(x_shape, dy.shape, size, stride):
        window = dx[:, :, rows, columns]
        window += (dy[:, :, oy, ox] / (window.shape[2] * window.shape[3]))[:, :, None, None]
    return dx


def _across(values: Doubles, n: int, groups: int) -> Doubles:
    """Sums over the n maps around each, inside its group (paper, 3.3)."""
    sums, maps = np.zeros_like(values), values.shape[1]
    size = maps // groups
    for i in range(maps):
        begin = i // size * size
        sums[:, i] = values[:, max(i - n // 2, begin) : min(i + n // 2, begin + size - 1) + 1].sum(1)
    return sums


def _within(values: Doubles, n: int) -> Doubles:
    """Sums over the n x n pixels around each of the same map (the authors' code)."""
    sums = np.zeros_like(values)
    for y, x in product(range(values.shape[2]), range(values.shape[3])):
        rows, columns = (slice(max(at - n // 2, 0), at + n // 2 + 1) for at in (y, x))
        sums[:, :, y, x] = values[:, :, rows, columns].sum((2, 3))
    return sums


def response(x: Any, n: int, k: float, alpha: float, beta: float, groups: int | None) -> Doubles:
    """Normalised responses, across maps by groups, or within each map where `groups` is None."""
    x = x.astype(np.float64)
    sums = _within(x**2, n) if groups is None else _across(x**2, n, groups)
    return x * (k + alpha * sums) ** -beta


def response_gradient(x: Any, dy: Any, n: int, k: float, alpha: float, beta: float, groups: int | None) -> Doubles:
    x, dy = x.astype(np.float64), dy.astype(np.float64)

    def sums(values: Doubles) -> Doubles:
        return _within(values, n) if groups is None else _across(values, n, groups)

    scale = k + alpha * sums(x**2)
    return dy * scale**-beta - 2 * alpha * beta * x * sums(dy * x * scale ** (-beta - 1))


def softmax(logits: Any, labels: Any) -> tuple[Doubles, Doubles]:
    """Probabilities (images, classes) and -log p[label] (paper, 3.5)."""
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    probs = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    return probs, -np.log(probs[np.arange(len(labels)), labels])


def philox(counter: NDArray[np.uint32], key: tuple[int, int]) -> NDArray[np.uint32]:
    """Philox 4x32-10 (Salmon et al., 2011), whole numbers of any length."""
    words = [[int(word) for word in row] for row in counter]
    for row in words:
        seed, purpose = key
        for _ in range(10):
            left, right = 0xD2511F53 * row[0], 0xCD9E8D57 * row[2]
            row[:] = [
                (right >> 32) ^ row[1] ^ seed,
                right & 0xFFFFFFFF,
                (left >> 32) ^ row[3] ^ purpose,
                left & 0xFFFFFFFF,
            ]
            seed, purpose = (seed + 0x9E3779B9) & 0xFFFFFFFF, (purpose + 0xBB67AE85) & 0xFFFFFFFF
    return np.array(words, np.uint32)


def augment(image: Any, mean: Any, offset: Any, reflect: bool, shift: Any, divide: float, crop: int) -> Doubles:
    """One view of one image, as (3, crop, crop) (paper, 4.1)."""
    y, x = (int(each) for each in offset)
    seen = (image.astype(np.float64) - mean + shift) / divide
    seen = seen[y : y + crop, x : x + crop]
    return (seen[:, ::-1] if reflect else seen).transpose(2, 0, 1)
