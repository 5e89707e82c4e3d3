"""The operations of an engine: the contract for a new one.

x, y stand for maps (C, H, W) of N images in the engine's own layout; dx, dy for the loss's gradient by them, of the
same shapes. Parameters and their gradients w, b, dw, db have the plain shapes given here. Sums over images run over
all of the minibatch's. "Writes" names the arrays that an operation fills: they are the caller's, wholly overwritten,
and apart from those it reads unless it says "in place". Sizes that do not fit are a ValueError that names the
operation and them. Sections are the paper's.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from alexnet.engines.tensor import Floats, Own, OwnScalar


class Move(NamedTuple):
    """What `sgd` does to a parameter."""

    w: Own
    v: Own
    g: Own
    rate: OwnScalar
    momentum: OwnScalar
    decay: OwnScalar


class Operations(Protocol):
    """What a net asks of an engine, on the engine's own arrays."""

    def conv_forward(
        self, x: Own, w: Own, b: Own, y: Own, /, *, stride: int, pad: int, groups: int, relu: bool = False
    ) -> None:
        """Writes y (K, OH, OW): y[k, oy, ox] = b[k] + sum over c, i, j of w[k, c, i, j] x[c, oy stride + i - pad,
        ox stride + j - pad], where x is 0 outside (3.5).

        w (K, C / groups, kh, kw), b (K); group g of the kernels sees group g of the maps alone. OH is the floor or the
        ceiling of (H + 2 pad - kh) / stride + 1. `relu`: then max(0, y) (3.1), asked of an engine that `rectifies`.
        """

    def conv_backward_data(self, dy: Own, w: Own, dx: Own, /, *, stride: int, pad: int, groups: int) -> None:
        """Writes dx, by conv_forward's formula."""

    def conv_backward_weights(
        self, x: Own, dy: Own, dw: Own, db: Own, /, *, stride: int, pad: int, groups: int
    ) -> None:
        """Writes dw (K, C / groups, kh, kw) and db (K), by conv_forward's formula."""

    def conv_products(self, w: Own, y: Own, /, *, stride: int, pad: int, groups: int) -> int:
        """Products that `conv_forward` makes for one image; the weight gradient's are as many, the data gradient's
        those of outputs like dx at stride 1."""

    def local_forward(self, x: Own, w: Own, b: Own, y: Own, /, *, stride: int, pad: int, groups: int) -> None:
        """Writes y (K, OH, OW) as conv_forward does, with kernels and a bias of each place's own (the authors' CIFAR-10
        nets): w (K, OH, OW, C / groups, kh, kw), b (K, OH, OW)."""

    def local_backward_data(self, dy: Own, w: Own, dx: Own, /, *, stride: int, pad: int, groups: int) -> None:
        """Writes dx, by local_forward's formula."""

    def local_backward_weights(
        self, x: Own, dy: Own, dw: Own, db: Own, /, *, stride: int, pad: int, groups: int
    ) -> None:
        """Writes dw and db, like w and b, by local_forward's formula."""

    def max_pool_forward(self, x: Own, y: Own, argmax: Own, /, *, size: int, stride: int) -> None:
        """Writes y (C, OH, OW), the largest of each size x size window, and argmax, bytes like y, its place (3.4).

        A place is i * size + j, of equals the first. OH is the floor or the ceiling of (H - size) / stride + 1;
        windows are clipped at the lower and right edge, and may overlap.
        """

    def max_pool_backward(self, dy: Own, argmax: Own, dx: Own, /, *, size: int, stride: int) -> None:
        """Writes dx: each window's gradient to the place that was the largest."""

    def average_pool_forward(self, x: Own, y: Own, /, *, size: int, stride: int) -> None:
        """Writes y (C, OH, OW), the mean of each window of max_pool_forward, over the values inside the map."""

    def average_pool_backward(self, dy: Own, dx: Own, /, *, size: int, stride: int) -> None:
        """Writes dx, by average_pool_forward's formula."""

    def lrn_forward(self, x: Own, y: Own, /, *, n: int, k: float, alpha: float, beta: float, groups: int) -> None:
        """Writes y like x: y[c] = x[c] / s[c]^beta, s[c] = k + alpha * sum of x[d]^2 over |d - c| <= n // 2 at the same
        place, d inside c's group of C / groups maps (3.3)."""

    def lrn_backward(
        self,
        x: Own,
        dy: Own,
        dx: Own,
        /,
        *,
        n: int,
        k: float,
        alpha: float,
        beta: float,
        groups: int,
        relu: bool = False,
    ) -> None:
        """Writes dx, by lrn_forward's formula; with `relu` it is relu_backward's, of which x is the y (3.1), asked of
        an engine that `masks`."""

    def lrn_spatial_forward(self, x: Own, y: Own, /, *, n: int, k: float, alpha: float, beta: float) -> None:
        """Writes y like x, as lrn_forward with the sum over the n x n window around the place in the same map, clipped
        at the edges (the authors' code)."""

    def lrn_spatial_backward(self, x: Own, dy: Own, dx: Own, /, *, n: int, k: float, alpha: float, beta: float) -> None:
        """Writes dx, by lrn_spatial_forward's formula."""

    def relu_forward(self, x: Own, y: Own, /) -> None:
        """Writes y = max(0, x), also in place (3.1)."""

    def relu_backward(self, y: Own, dy: Own, dx: Own, /) -> None:
        """Writes dx = dy where y > 0, else 0; also in place of dy."""

    def tanh_forward(self, x: Own, y: Own, /) -> None:
        """Writes y = tanh(x), also in place (3.1)."""

    def tanh_backward(self, y: Own, dy: Own, dx: Own, /) -> None:
        """Writes dx = dy (1 - y^2), also in place of dy."""

    def fc_forward(self, x: Own, w: Own, b: Own, y: Own, /, *, relu: bool = False) -> None:
        """Writes y (units, 1, 1): y = b + w x, over the C H W values of x in that order (3.5).

        w (units, C H W), b (units). `relu` as in conv_forward.
        """

    def fc_backward_data(self, dy: Own, w: Own, dx: Own, /) -> None:
        """Writes dx, by fc_forward's formula."""

    def fc_backward_weights(self, x: Own, dy: Own, dw: Own, db: Own, /) -> None:
        """Writes dw (units, C H W) and db (units), by fc_forward's formula."""

    def dropout(
        self,
        x: Own,
        y: Own,
        /,
        *,
        rate: float,
        seed: int,
        step: OwnScalar,
        layer: int,
        first_unit: int,
        first_image: int,
    ) -> None:
        """Writes y = x, or 0 with probability `rate`, also in place; its own backward pass (4.2).

        Value u of the C H W and image n are drawn by Philox 4x32-10, keyed by (seed, 4), at the counter
        (first_unit + u, (first_image + n) // 4, step, layer), word (first_image + n) % 4: zero where the word is less
        than rate * 2^32, rounded up.
        """

    def scale(self, x: Own, y: Own, /, *, factor: float) -> None:
        """Writes y = factor * x, also in place: dropout at test time (4.2)."""

    def softmax_loss(
        self,
        logits: Own,
        labels: Own,
        probs: Own,
        dlogits: Own,
        losses: Own,
        /,
        *,
        images: int,
        factor: float,
    ) -> None:
        """Writes probs = softmax of logits (classes, 1, 1), losses[n] = -log probs[label of n], and dlogits =
        factor * (probs - [class is the label]), zero beyond the first `images` (3.5).

        labels (images) int32, losses (images) float64.
        """

    def sgd(self, w: Own, v: Own, g: Own, /, *, rate: OwnScalar, momentum: OwnScalar, decay: OwnScalar) -> None:
        """Writes v = momentum v - decay rate w - rate g, then w = w + v; all of one shape (5)."""

    def augment(
        self,
        images: Sequence[NDArray[np.uint8]],
        mean: Own,
        out: Own,
        offsets: NDArray[np.int32],
        reflect: NDArray[np.uint8],
        shift: Floats,
        /,
        *,
        divide: float,
    ) -> None:
        """Writes out (3, crop, crop): each image's crop less the mean at its own pixels, plus a colour, divided (4.1).

        images (side, side, 3) bytes on the host, mean (side, side, 3) uploaded, offsets (n, 2) the crops' first row and
        column, reflect (n) 1 where left and right change places, shift (n, 3) added to each pixel's R, G, B. A smaller
        mean (crop, crop, 3) is every crop's, at the pixels of what comes out. Images beyond those given become zero.
        May be called from another thread than the others.
        """
