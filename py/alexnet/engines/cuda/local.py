"""Locally connected layers on a device (engine/cuda/local.cu)."""

from dataclasses import dataclass

from alexnet.engines.cuda.device import Array, Device, Values, flat
from alexnet.engines.cuda.shapes import CONV, check, check_kind, check_side, make
from alexnet.engines.cuda.sizes import SIZES
from alexnet.engines.maps import FLOAT, map_type


@dataclass(frozen=True)
class Banks:
    """x (C, H, W, N), w (K, OH, OW, C / groups, kh, kw), y (K, OH, OW, N)."""

    x: Array
    w: Array
    y: Array
    stride: int
    pad: int
    groups: int

    def check(self, operation: str, b: Array | None = None) -> None:
        """Raises ValueError where the shapes do not fit."""
        x, w, y = self.x, self.w, self.y
        check_kind(operation, map_type(x.device.precision), x, y)
        check_kind(operation, FLOAT, w)
        fits = len(x.shape) == len(y.shape) == 4 and len(w.shape) == 6 and self.groups >= 1
        fits = fits and x.shape[0] == w.shape[3] * self.groups and w.shape[0] % self.groups == 0
        check(fits and x.shape[3] == y.shape[3], operation, f"{self.groups} groups do not fit", x, w, y)
        check(w.shape[:3] == y.shape[:3], operation, "a bank of kernels for each place", w, y)
        for axis in (1, 2):
            size = w.shape[axis + 3]
            check_side(operation, x.shape[axis], y.shape[axis], size, self.stride, self.pad, x, w, y)
        if b is not None:
            check_kind(operation, FLOAT, b)
            check(b.shape == w.shape[:3], operation, "a bias for each kernel and place", w, b)

    @property
    def structure(self) -> Values:
        """ConvShape, from x to y."""
        x, y = self.x.shape, self.y.shape
        sides = x[0] // self.groups, *x[1:3], y[0] // self.groups, *y[1:3]
        return make(CONV, x[3], *sides, *self.w.shape[4:], self.stride, self.pad)

    def rows(self, maps: int) -> int:
        """Blocks that share out the maps, group after group."""
        return self.groups * -(-(maps // self.groups) // SIZES["LOCAL_ROWS"])


def forward(device: Device, banks: Banks, b: Array) -> None:
    x, w, y = banks.x, banks.w, banks.y
    arguments = x.argument, w.argument, b.argument, y.argument, banks.structure
    flat(device, "local_forward", y.chunks // y.shape[0], *arguments, rows=banks.rows(y.shape[0]))


def backward_data(device: Device, banks: Banks) -> None:
    x, w, y = banks.x, banks.w, banks.y
    arguments = y.argument, w.argument, x.argument, banks.structure
    flat(device, "local_backward_data", x.chunks // x.shape[0], *arguments, rows=banks.rows(x.shape[0]))


def backward_weights(device: Device, banks: Banks) -> None:
    x, w, y = banks.x, banks.w, banks.y
    arguments = x.argument, y.argument, w.argument, banks.structure
    flat(device, "local_backward_weights", w.size // w.shape[0], *arguments, rows=banks.rows(y.shape[0]))
