"""Every operation of the engines again, in float64 loops written from the paper's formulas.

Nothing here comes from an engine. Arrays have the plain form, (images, maps, height, width), of any number type; the
loops run over outputs and taps, with NumPy only across the images of a batch and the kernels of a group.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Given = NDArray[Any]
F64 = NDArray[np.float64]


def doubles(*arrays: Given) -> Iterator[F64]:
    return (np.asarray(each, np.float64) for each in arrays)


def conv(x: Given, w: Given, b: Given, sides: tuple[int, int], stride: int, pad: int, groups: int) -> F64:
    """Section 3.5: each kernel sees the maps of its own group; taps outside the image read 0."""
    x, w, b = doubles(x, w, b)
    kernels, maps, height, width = w.shape
    y = np.zeros((len(x), kernels, *sides))
    for group, oy, ox in np.ndindex(groups, *sides):
        own = slice(group * kernels // groups, (group + 1) * kernels // groups)
        y[:, own, oy, ox] = b[own]
        for c, ky, kx in np.ndindex(maps, height, width):
            iy, ix = oy * stride + ky - pad, ox * stride + kx - pad
            if 0 <= iy < x.shape[2] and 0 <= ix < x.shape[3]:
                y[:, own, oy, ox] += x[:, group * maps + c, iy, ix, None] * w[own, c, ky, kx]
    return y


def conv_gradients(x: Given, w: Given, dy: Given, stride: int, pad: int, groups: int) -> tuple[F64, F64, F64]:
    """The chain rule on each product of `conv`: dx, dw, db."""
    x, w, dy = doubles(x, w, dy)
    kernels, maps, height, width = w.shape
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for group, oy, ox in np.ndindex(groups, *dy.shape[2:]):
        own = slice(group * kernels // groups, (group + 1) * kernels // groups)
        slopes = dy[:, own, oy, ox]
        for c, ky, kx in np.ndindex(maps, height, width):
            iy, ix = oy * stride + ky - pad, ox * stride + kx - pad
            if 0 <= iy < x.shape[2] and 0 <= ix < x.shape[3]:
                dx[:, group * maps + c, iy, ix] += slopes @ w[own, c, ky, kx]
                dw[own, c, ky, kx] += x[:, group * maps + c, iy, ix] @ slopes
    return dx, dw, dy.sum(axis=(0, 2, 3))


def local(x: Given, w: Given, b: Given, stride: int, pad: int, groups: int) -> F64:
    """`conv` with kernels (K, OH, OW, C / groups, kh, kw) and biases (K, OH, OW) of each place's own."""
    x, w, b = doubles(x, w, b)
    y = np.zeros((len(x), *b.shape))
    for (k, oy, ox), (c, ky, kx) in product(np.ndindex(*b.shape), np.ndindex(*w.shape[3:])):
        group = k * groups // len(w)
        iy, ix = oy * stride + ky - pad, ox * stride + kx - pad
        if 0 <= iy < x.shape[2] and 0 <= ix < x.shape[3]:
            y[:, k, oy, ox] += w[k, oy, ox, c, ky, kx] * x[:, group * w.shape[3] + c, iy, ix]
    return y + b


def local_gradients(x: Given, w: Given, dy: Given, stride: int, pad: int, groups: int) -> tuple[F64, F64, F64]:
    """The chain rule on each product of `local`: dx, dw, db."""
    x, w, dy = doubles(x, w, dy)
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for (k, oy, ox), (c, ky, kx) in product(np.ndindex(*w.shape[:3]), np.ndindex(*w.shape[3:])):
        map_ = k * groups // len(w) * w.shape[3] + c
        iy, ix = oy * stride + ky - pad, ox * stride + kx - pad
        if 0 <= iy < x.shape[2] and 0 <= ix < x.shape[3]:
            dx[:, map_, iy, ix] += w[k, oy, ox, c, ky, kx] * dy[:, k, oy, ox]
            dw[k, oy, ox, c, ky, kx] = (dy[:, k, oy, ox] * x[:, map_, iy, ix]).sum()
    return dx, dw, dy.sum(axis=0)


def window(o: int, size: int, stride: int, side: int) -> range:
    """The pixels of pooling window o in one direction, clipped at the edge (section 3.4)."""
    return range(o * stride, min(o * stride + size, side))


def max_pool(x: Given, sides: tuple[int, int], size: int, stride: int) -> tuple[F64, NDArray[np.uint8]]:
    """The largest of each window, and its place ky * size + kx: of equals the first in reading order."""
    (x,) = doubles(x)
    y = np.zeros((*x.shape[:2], *sides))
    where = np.zeros(y.shape, np.uint8)
    for n, c, oy, ox in np.ndindex(*y.shape):
        best = -math.inf
        for iy in window(oy, size, stride, x.shape[2]):
            for ix in window(ox, size, stride, x.shape[3]):
                if x[n, c, iy, ix] > best:
                    best = x[n, c, iy, ix]
                    where[n, c, oy, ox] = (iy - oy * stride) * size + ix - ox * stride
        y[n, c, oy, ox] = best
    return y, where


def max_pool_gradient(dy: Given, where: NDArray[np.uint8], sides: tuple[int, int], size: int, stride: int) -> F64:
    """Each window's gradient goes to the pixel that was its largest; overlapping windows add up."""
    (dy,) = doubles(dy)
    dx = np.zeros((*dy.shape[:2], *sides))
    for n, c, oy, ox in np.ndindex(*dy.shape):
        ky, kx = divmod(int(where[n, c, oy, ox]), size)
        dx[n, c, oy * stride + ky, ox * stride + kx] += dy[n, c, oy, ox]
    return dx


def average_pool(x: Given, sides: tuple[int, int], size: int, stride: int) -> F64:
    """The mean over the pixels that a clipped window really has."""
    (x,) = doubles(x)
    y = np.zeros((*x.shape[:2], *sides))
    for oy, ox in np.ndindex(*sides):
        pixels = list(product(window(oy, size, stride, x.shape[2]), window(ox, size, stride, x.shape[3])))
        for iy, ix in pixels:
            y[:, :, oy, ox] += x[:, :, iy, ix] / len(pixels)
    return y


def average_pool_gradient(dy: Given, sides: tuple[int, int], size: int, stride: int) -> F64:
    """Each pixel of a window gets an equal share of the window's gradient."""
    (dy,) = doubles(dy)
    dx = np.zeros((*dy.shape[:2], *sides))
    for oy, ox in np.ndindex(*dy.shape[2:]):
        pixels = list(product(window(oy, size, stride, sides[0]), window(ox, size, stride, sides[1])))
        for iy, ix in pixels:
            dx[:, :, iy, ix] += dy[:, :, oy, ox] / len(pixels)
    return dx


def neighbours(i: int, n: int, maps: int, groups: int) -> range:
    """Section 3.3: from max(0, i - n/2) to min(N - 1, i + n/2), N being the maps of i's group."""
    size = maps // groups
    first = i // size * size
    return range(max(first, i - n // 2), min(first + size - 1, i + n // 2) + 1)


def lrn(x: Given, n: int, k: float, alpha: float, beta: float, groups: int) -> F64:
    """Section 3.3: b_i = a_i / (k + alpha sum_j a_j^2)^beta."""
    (x,) = doubles(x)
    y = np.zeros_like(x)
    for i in range(x.shape[1]):
        total = np.zeros_like(x[:, i])
        for j in neighbours(i, n, x.shape[1], groups):
            total += x[:, j] ** 2
        y[:, i] = x[:, i] / (k + alpha * total) ** beta
    return y


def lrn_gradient(x: Given, dy: Given, n: int, k: float, alpha: float, beta: float, groups: int) -> F64:
    """d b_j / d a_i = [i = j] s_j^-beta - 2 alpha beta a_j a_i s_j^(-beta - 1) where i is a neighbour of j."""
    x, dy = doubles(x, dy)
    dx = np.zeros_like(x)
    maps = x.shape[1]
    for j in range(maps):
        near = neighbours(j, n, maps, groups)
        scale = k + alpha * sum(x[:, i] ** 2 for i in near)
        dx[:, j] += dy[:, j] * scale**-beta
        for i in near:
            dx[:, i] -= 2 * alpha * beta * dy[:, j] * x[:, j] * x[:, i] * scale ** (-beta - 1)
    return dx


def around(row: int, column: int, n: int, height: int, width: int) -> list[tuple[int, int]]:
    """The n x n window around a pixel, clipped at the edges."""
    reach = n // 2
    return list(
        product(
            range(max(0, row - reach), min(height - 1, row + reach) + 1),
            range(max(0, column - reach), min(width - 1, column + reach) + 1),
        )
    )


def lrn_spatial(x: Given, n: int, k: float, alpha: float, beta: float) -> F64:
    """The same response, over the n x n pixels of the same map (the authors' code, after LRN 2)."""
    (x,) = doubles(x)
    y = np.zeros_like(x)
    for row, column in np.ndindex(*x.shape[2:]):
        total = sum(x[:, :, r, c] ** 2 for r, c in around(row, column, n, *x.shape[2:]))
        y[:, :, row, column] = x[:, :, row, column] / (k + alpha * total) ** beta
    return y


def lrn_spatial_gradient(x: Given, dy: Given, n: int, k: float, alpha: float, beta: float) -> F64:
    """The chain rule on `lrn_spatial`, output by output."""
    x, dy = doubles(x, dy)
    dx = np.zeros_like(x)
    for row, column in np.ndindex(*x.shape[2:]):
        near = around(row, column, n, *x.shape[2:])
        scale = k + alpha * sum(x[:, :, r, c] ** 2 for r, c in near)
        slope, here = dy[:, :, row, column], x[:, :, row, column]
        dx[:, :, row, column] += slope * scale**-beta
        for r, c in near:
            dx[:, :, r, c] -= 2 * alpha * beta * slope * here * x[:, :, r, c] * scale ** (-beta - 1)
    return dx


def fc(x: Given, w: Given, b: Given) -> F64:
    """Section 3.5: every unit sees every number of the image, maps first, then rows, then columns."""
    x, w, b = doubles(x, w, b)
    y = np.zeros((len(x), len(w)))
    for n, image in enumerate(x):
        for o in range(len(w)):
            y[n, o] = b[o] + math.fsum(w[o] * image.ravel())
    return y


def fc_gradients(x: Given, w: Given, dy: Given) -> tuple[F64, F64, F64]:
    """dx, dw, db of `fc`."""
    x, w, dy = doubles(x, w, dy)
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(len(w))
    for n in range(len(x)):
        for o in range(len(w)):
            dx[n] += dy[n, o] * w[o].reshape(x.shape[1:])
            dw[o] += dy[n, o] * x[n].ravel()
            db[o] += dy[n, o]
    return dx, dw, db


def softmax_loss(logits: Given, labels: NDArray[np.int32], factor: float) -> tuple[F64, F64, F64]:
    """Probabilities, -log p of the true class, and factor times its gradient."""
    (logits,) = doubles(logits)
    probs, gradient, losses = np.zeros_like(logits), np.zeros_like(logits), np.zeros(len(logits))
    for n, row in enumerate(logits):
        shifted = [float(v - max(row)) for v in row]
        total = math.fsum(math.exp(v) for v in shifted)
        for c, v in enumerate(shifted):
            probs[n, c] = math.exp(v) / total
            gradient[n, c] = factor * (probs[n, c] - (1.0 if c == labels[n] else 0.0))
        losses[n] = math.log(total) - shifted[labels[n]]
    return probs, losses, gradient


def augment(
    image: NDArray[np.uint8], mean: Given, crop: int, at: tuple[int, int], reflect: bool, shift: Given, divide: float
) -> F64:
    """Section 4.1: subtract the mean activity of each pixel, add the image's colour noise, cut, reflect.

    A mean as small as the crop is subtracted last from every view (the author's CIFAR-10 nets).
    """
    mean, shift = doubles(mean, shift)
    out = np.zeros((3, crop, crop))
    for c, y, x in np.ndindex(3, crop, crop):
        row, column = at[0] + y, at[1] + (crop - 1 - x if reflect else x)
        average = mean[row, column, c] if mean.shape == image.shape else mean[y, x, c]
        out[c, y, x] = ((float(image[row, column, c]) - average) + shift[c]) / divide
    return out


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox 4x32-10 from its paper (Salmon et al. 2011, section 3.3), in whole numbers."""
    word, low = list(counter), 2**32 - 1
    k0, k1 = key
    for _ in range(10):
        even, odd = 0xD2511F53 * word[0], 0xCD9E8D57 * word[2]
        word = [(odd >> 32) ^ word[1] ^ k0, odd & low, (even >> 32) ^ word[3] ^ k1, even & low]
        k0, k1 = (k0 + 0x9E3779B9) & low, (k1 + 0xBB67AE85) & low
    return word[0], word[1], word[2], word[3]


def normal(i: int, seed: int, purpose: int, layer: int) -> float:
    """Number i of a layer's standard normals: Box-Muller on words (0, 1) or (2, 3) of block i // 4."""
    words = philox((i // 4, layer, 0, 0), (seed, purpose))
    first, second = words[i % 4 // 2 * 2 : i % 4 // 2 * 2 + 2]
    radius = math.sqrt(-2 * math.log((first + 1) / 2**32))
    angle = 2 * math.pi * second / 2**32
    return radius * (math.sin(angle) if i % 2 else math.cos(angle))
