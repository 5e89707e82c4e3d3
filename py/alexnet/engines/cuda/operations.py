"""The operations of alexnet.engines.Operations as kernel launches; no arithmetic is done here.

Maps are (C, H, W, N) with N the minibatch rounded up to 8; outputs are wholly overwritten. Shapes that do not fit
raise ValueError.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import Floats, Move
from alexnet.engines.cuda import local, lrn, sgd, softmax
from alexnet.engines.cuda.convolution import Convolutions, Geometry
from alexnet.engines.cuda.device import NUMBER, Array, Device, Stream, flat
from alexnet.engines.cuda.shapes import (
    POOL,
    check,
    check_bias,
    check_kind,
    check_maps,
    check_numbers,
    check_places,
    check_response,
    check_side,
    make,
)
from alexnet.engines.cuda.sizes import SIZES
from alexnet.engines.cuda.staging import Staging
from alexnet.engines.cuda.workspace import Workspace
from alexnet.engines.maps import BF16, FLOAT, map_type

WORDS = 2**32  # values of one word of the counter that dropout draws from


class CudaOperations:
    """The kernels of one device; `Operations` says what each does, the .cu files how."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._workspace = Workspace(device)
        self._convolutions = Convolutions(device, self._workspace)
        self._staging = Staging(device)

    def conv_forward(
        self, x: Array, w: Array, b: Array, y: Array, /, *, stride: int, pad: int, groups: int, relu: bool = False
    ) -> None:
        """Also ReLU in the same pass where asked (paper, 3.5 and 3.1)."""
        geometry = Geometry(x, w, y, stride, pad, groups)
        geometry.check("conv_forward")
        check_bias("conv_forward", w, b)
        self._convolutions.forward(geometry, b, relu)

    def conv_backward_data(self, dy: Array, w: Array, dx: Array, /, *, stride: int, pad: int, groups: int) -> None:
        geometry = Geometry(dx, w, dy, stride, pad, groups)
        geometry.check("conv_backward_data")
        self._convolutions.backward_data(geometry)

    def conv_backward_weights(
        self, x: Array, dy: Array, dw: Array, db: Array, /, *, stride: int, pad: int, groups: int
    ) -> None:
        geometry = Geometry(x, dw, dy, stride, pad, groups)
        geometry.check("conv_backward_weights")
        check_bias("conv_backward_weights", dw, db)
        self._convolutions.backward_weights(geometry, dw, db)

    def conv_products(self, w: Array, y: Array, /, *, stride: int, pad: int, groups: int) -> int:
        products: int = math.prod(w.shape) * y.shape[1] * y.shape[2]
        return products

    def local_forward(self, x: Array, w: Array, b: Array, y: Array, /, *, stride: int, pad: int, groups: int) -> None:
        banks = local.Banks(x, w, y, stride, pad, groups)
        banks.check("local_forward", b)
        local.forward(self._device, banks, b)

    def local_backward_data(self, dy: Array, w: Array, dx: Array, /, *, stride: int, pad: int, groups: int) -> None:
        banks = local.Banks(dx, w, dy, stride, pad, groups)
        banks.check("local_backward_data")
        local.backward_data(self._device, banks)

    def local_backward_weights(
        self, x: Array, dy: Array, dw: Array, db: Array, /, *, stride: int, pad: int, groups: int
    ) -> None:
        banks = local.Banks(x, dw, dy, stride, pad, groups)
        banks.check("local_backward_weights", db)
        local.backward_weights(self._device, banks)
        self._sum_rows(dy, db)

    def max_pool_forward(self, x: Array, y: Array, argmax: Array, /, *, size: int, stride: int) -> None:
        check_places("max_pool_forward", y, argmax, size)
        self._pool("max_pool_forward", x, y, size, stride, y, [x, y, argmax])

    def max_pool_backward(self, dy: Array, argmax: Array, dx: Array, /, *, size: int, stride: int) -> None:
        check_places("max_pool_backward", dy, argmax, size)
        self._pool("max_pool_backward", dx, dy, size, stride, dx, [dy, argmax, dx])

    def average_pool_forward(self, x: Array, y: Array, /, *, size: int, stride: int) -> None:
        self._pool("average_pool_forward", x, y, size, stride, y, [x, y])

    def average_pool_backward(self, dy: Array, dx: Array, /, *, size: int, stride: int) -> None:
        self._pool("average_pool_backward", dx, dy, size, stride, dx, [dy, dx])

    def lrn_forward(self, x: Array, y: Array, /, *, n: int, k: float, alpha: float, beta: float, groups: int) -> None:
        lrn.across(self._device, "lrn_forward", [x, y], n, k, alpha, beta, groups)

    def lrn_backward(
        self,
        x: Array,
        dy: Array,
        dx: Array,
        /,
        *,
        n: int,
        k: float,
        alpha: float,
        beta: float,
        groups: int,
        relu: bool = False,
    ) -> None:
        lrn.across(self._device, "lrn_backward", [x, dy, dx], n, k, alpha, beta, groups, relu)

    def lrn_spatial_forward(self, x: Array, y: Array, /, *, n: int, k: float, alpha: float, beta: float) -> None:
        check_response("lrn_spatial_forward", [x, y], n, k, alpha)
        lrn.within(self._device, "lrn_spatial_forward", [x, y], n, k, alpha, beta)

    def lrn_spatial_backward(
        self, x: Array, dy: Array, dx: Array, /, *, n: int, k: float, alpha: float, beta: float
    ) -> None:
        check_response("lrn_spatial_backward", [x, dy, dx], n, k, alpha)
        scales = self._workspace.take("scales", x.shape, FLOAT)
        lrn.within(self._device, "lrn_spatial_scales", [x, scales], n, k, alpha, beta)
        lrn.within(self._device, "lrn_spatial_backward", [x, dy, scales, dx], n, k, alpha, beta)

    def relu_forward(self, x: Array, y: Array, /) -> None:
        self._elementwise("relu_forward", x, y)

    def relu_backward(self, y: Array, dy: Array, dx: Array, /) -> None:
        self._elementwise("relu_backward", y, dy, dx)

    def tanh_forward(self, x: Array, y: Array, /) -> None:
        self._elementwise("tanh_forward", x, y)

    def tanh_backward(self, y: Array, dy: Array, dx: Array, /) -> None:
        self._elementwise("tanh_backward", y, dy, dx)

    def fc_forward(self, x: Array, w: Array, b: Array, y: Array, /, *, relu: bool = False) -> None:
        """Also ReLU in the same pass as the bias where asked."""
        rows, outputs = self._rows("fc_forward", x, w, y)
        check_bias("fc_forward", w, b)
        self._device.gemm(self._operand(w), rows, outputs)
        sizes = np.int32(y.chunks // b.size), np.int64(y.chunks), np.int32(relu)
        flat(self._device, "add_bias", y.chunks, y.argument, b.argument, *sizes)

    def fc_backward_data(self, dy: Array, w: Array, dx: Array, /) -> None:
        rows, outputs = self._rows("fc_backward_data", dx, w, dy)
        self._device.gemm(self._operand(w), outputs, rows, transpose_a=True)

    def fc_backward_weights(self, x: Array, dy: Array, dw: Array, db: Array, /) -> None:
        rows, outputs = self._rows("fc_backward_weights", x, dw, dy)
        check_bias("fc_backward_weights", dw, db)
        self._device.gemm(outputs, rows, dw, transpose_b=True)
        self._sum_rows(dy, db)

    def dropout(
        self,
        x: Array,
        y: Array,
        /,
        *,
        rate: float,
        seed: int,
        step: Array,
        layer: int,
        first_unit: int,
        first_image: int,
    ) -> None:
        check_maps("dropout", x, y)
        check_numbers("dropout", step)
        units = x.size // x.shape[3]
        fits = 0 <= first_unit <= WORDS - units and 0 <= first_image <= 4 * WORDS - x.shape[3]
        check(0 <= rate <= 1, "dropout", f"a rate of {rate} is not in 0..1", x)
        check(fits, "dropout", f"first_unit {first_unit} or first_image {first_image} is out of range", x)
        sizes = np.int32(units), np.int32(x.chunks // units), np.uint64(math.ceil(rate * WORDS)), np.uint32(seed)
        place = step.argument, np.uint32(layer), np.uint32(first_unit), np.uint64(first_image)
        flat(self._device, "dropout", x.chunks, x.argument, y.argument, *sizes, *place)

    def scale(self, x: Array, y: Array, /, *, factor: float) -> None:
        check_maps("scale", x, y)
        flat(self._device, "scale", x.chunks, x.argument, y.argument, np.int64(x.chunks), np.float32(factor))

    def softmax_loss(
        self,
        logits: Array,
        labels: Array,
        probs: Array,
        dlogits: Array,
        losses: Array,
        /,
        *,
        images: int,
        factor: float,
    ) -> None:
        softmax.loss(self._device, logits, labels, probs, dlogits, losses, images, factor)

    def tally(self, probs: Array, labels: Array, losses: Array, sums: Array, /) -> None:
        """`Engine.tally`."""
        wrong = self._workspace.take("wrong", (probs.shape[3],), NUMBER)
        softmax.tally(self._device, probs, labels, losses, wrong, sums)

    def sgd(self, w: Array, v: Array, g: Array, /, *, rate: Array, momentum: Array, decay: Array) -> None:
        self.descend([Move(w, v, g, rate, momentum, decay)])

    def descend(self, moves: Sequence[Move], /) -> None:
        """`Engine.descend`."""
        sgd.run(self._device, moves)

    def augment(
        self,
        images: Sequence[NDArray[np.uint8]],
        mean: Array,
        out: Array,
        offsets: NDArray[np.int32],
        reflect: NDArray[np.uint8],
        shift: Floats,
        /,
        *,
        divide: float,
    ) -> None:
        """On a stream of its own; `out` is whole when this returns. May run in another thread than the step."""
        check_maps("augment", out)
        check_kind("augment", FLOAT, mean)
        fits = 1 <= len(images) <= out.shape[3] and out.shape[0] == 3 and out.shape[1] == out.shape[2]
        fits = fits and len(offsets) == len(reflect) == len(shift) == len(images)
        check(fits, "augment", f"{len(images)} images", mean, out)
        size, crop = len(images[0]), out.shape[1]
        fits = all(image.shape == (size, size, 3) for image in images)
        fits = fits and mean.shape in ((size, size, 3), (crop, crop, 3))
        check(fits, "augment", f"images or mean are not {size} x {size}", mean, out)
        inside = np.min(offsets) >= 0 and np.max(offsets) + crop <= size
        check(bool(inside), "augment", "a crop reaches beyond its image", mean, out)
        check(divide != 0, "augment", "division by zero", mean, out)

        def kernel(stream: Stream, bytes_: Array, offsets_: Array, reflect_: Array, shift_: Array) -> None:
            arrays = [each.argument for each in (bytes_, mean, out, offsets_, reflect_, shift_)]
            sizes = [np.asarray(np.int32(each)) for each in (len(images), out.shape[3], size, len(mean), crop)]
            tile, rows = SIZES["AUGMENT_TILE"], SIZES["AUGMENT_ROWS"]
            grid = (-(-out.shape[3] // tile), -(-crop // tile), crop)
            arguments = [*arrays, *sizes, np.asarray(np.float32(divide))]
            self._device.launch("augment", grid, (tile, rows, 1), arguments, stream)

        self._staging.run(kernel, images, offsets, reflect, shift)

    def _sum_rows(self, dy: Array, db: Array) -> None:
        """db[row] = the sum of dy[row]; dy as so many rows."""
        sizes = np.int32(db.size), np.int32(dy.chunks // db.size)
        flat(self._device, "sum_rows", 32 * db.size, dy.argument, db.argument, *sizes)

    def _elementwise(self, kernel: str, *arrays: Array) -> None:
        check_maps(kernel, *arrays)
        count = arrays[0].chunks
        flat(self._device, kernel, count, *(each.argument for each in arrays), np.int64(count))

    def _pool(
        self, kernel: str, x: Array, y: Array, size: int, stride: int, over: Array, arrays: Sequence[Array]
    ) -> None:
        check_kind(kernel, map_type(x.device.precision), x, y)
        check(x.shape[0] == y.shape[0] and x.shape[3] == y.shape[3], kernel, "as many maps and images", x, y)
        for axis in (1, 2):
            check_side(kernel, x.shape[axis], y.shape[axis], size, stride, 0, x, y)
            last = (y.shape[axis] - 1) * stride
            check(last < x.shape[axis], kernel, "a window lies beyond the edge", x, y)
        shape = make(POOL, x.chunks // math.prod(x.shape[:3]), *x.shape[1:3], *y.shape[1:3], size, stride)
        arguments = [*(each.argument for each in arrays), shape]
        flat(self._device, kernel, over.chunks // over.shape[0], *arguments, rows=over.shape[0])

    def _rows(self, operation: str, x: Array, w: Array, y: Array) -> tuple[Array, Array]:
        """x as (features, images), y as (units, images)."""
        check_kind(operation, map_type(x.device.precision), x, y)
        check_kind(operation, FLOAT, w)
        images = x.shape[3]
        features = x.size // images
        fits = w.shape == (y.shape[0], features) and y.shape[1:] == (1, 1, images)
        check(fits, operation, "weights are (units, features)", x, w, y)
        return x.reshape(features, images), y.reshape(w.shape[0], images)

    def _operand(self, w: Array) -> Array:
        """Weights in the type of maps; sgd and assignment keep the copy up to date."""
        if self._device.precision != "bf16":
            return w
        if w.shadow is None:
            w.shadow = Array.empty(self._device, w.shape, BF16)
            w.refresh()
        return w.shadow
