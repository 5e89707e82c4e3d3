"""Convolution on a device: tiles, packed weights, split sums (engine/cuda/conv.cu, conv_weights.cu)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alexnet.engines.cuda.device import FLOAT, Array, Device, Values, flat, map_type
from alexnet.engines.cuda.shapes import CONV, PACK, check, check_kind, check_side, make
from alexnet.engines.cuda.sizes import SIZES
from alexnet.engines.cuda.workspace import Workspace

ROWS, COLUMNS, THREADS = SIZES["CONV_ROWS"], SIZES["CONV_COLUMNS"], SIZES["CONV_THREADS"]

# Enough blocks to fill the largest GPU twice; a constant, so that sums have one order on every device.
BLOCKS = 264


@dataclass(frozen=True)
class Geometry:
    """One convolution: x (C, H, W, N), w (K, C / groups, kh, kw), y (K, OH, OW, N)."""

    x: Array
    w: Array
    y: Array
    stride: int
    pad: int
    groups: int

    def check(self, operation: str) -> None:
        """Raises ValueError where the shapes do not fit."""
        x, w, y = self.x, self.w, self.y
        check_kind(operation, map_type(x.device.precision), x, y)
        check_kind(operation, FLOAT, w)
        fits = len(x.shape) == len(y.shape) == len(w.shape) == 4 and self.groups >= 1
        fits = fits and x.shape[0] == w.shape[1] * self.groups and y.shape[0] == w.shape[0]
        fits = fits and w.shape[0] % self.groups == 0 and x.shape[3] == y.shape[3]
        check(fits, operation, f"{self.groups} groups do not fit", x, w, y)
        for axis in (1, 2):
            size = w.shape[axis + 1]
            check_side(operation, x.shape[axis], y.shape[axis], size, self.stride, self.pad, x, w, y)

    @property
    def maps(self) -> int:
        return self.w.shape[1]

    @property
    def kernels(self) -> int:
        return self.w.shape[0] // self.groups

    @property
    def taps(self) -> int:
        return self.w.shape[2] * self.w.shape[3]

    def structure(self, source: Array, target: Array) -> Values:
        """ConvShape of the product that reads `source` and makes `target`."""
        source_maps, target_maps = source.shape[0] // self.groups, target.shape[0] // self.groups
        sides = (source_maps, *source.shape[1:3], target_maps, *target.shape[1:3])
        return make(CONV, source.shape[3], *sides, *self.w.shape[2:], self.stride, self.pad)


class Convolutions:
    """The three products on one device."""

    def __init__(self, device: Device, workspace: Workspace) -> None:
        self._device, self._workspace = device, workspace
        self._depth = SIZES["CONV_DEPTH_BYTES"] // (2 if device.precision == "bf16" else 4)

    def forward(self, g: Geometry, b: Array, relu: bool) -> None:
        taps, maps, kernels = g.taps, g.maps, g.kernels
        packed = self._pack(g, kernels, maps, (kernels * maps * taps, maps * taps, taps))
        arguments = [g.x.argument, packed.argument, b.argument, g.y.argument, g.structure(g.x, g.y), np.int32(relu)]
        self._launch("conv_forward", g, g.y, kernels, arguments)

    def backward_data(self, g: Geometry) -> None:
        taps, maps, kernels = g.taps, g.maps, g.kernels
        packed = self._pack(g, maps, kernels, (kernels * maps * taps, taps, maps * taps))
        arguments = [g.y.argument, packed.argument, g.x.argument, g.structure(g.y, g.x)]
        self._launch("conv_backward_data", g, g.x, maps, arguments)

    def backward_weights(self, g: Geometry, dw: Array, db: Array) -> None:
        depth, columns = g.maps * g.taps, g.y.size // g.y.shape[0]
        tiles = -(-depth // COLUMNS), -(-g.kernels // ROWS)
        splits = max(1, min(BLOCKS // (tiles[0] * tiles[1] * g.groups), columns // (8 * self._depth)))
        partial = self._workspace.take("partial", (splits, *dw.shape), FLOAT)
        grid = (*tiles, g.groups * splits)
        arguments = [g.x.argument, g.y.argument, partial.argument, g.structure(g.x, g.y), np.int32(g.groups)]
        self._device.launch("conv_backward_weights", grid, (THREADS, 1, 1), [np.asarray(each) for each in arguments])
        count = np.int64(dw.size)
        flat(self._device, "conv_add_splits", dw.size, partial.argument, dw.argument, count, np.int32(splits))
        self.sum_rows(g.y, db)

    def sum_rows(self, dy: Array, db: Array) -> None:
        """db[row] = the sum of dy[row]."""
        columns = dy.size // dy.shape[0]
        arguments = [dy.argument, db.argument, np.asarray(np.int32(columns))]
        self._device.launch("sum_rows", (dy.shape[0], 1, 1), (SIZES["ROW_THREADS"], 1, 1), arguments)

    def _pack(self, g: Geometry, rows: int, outers: int, strides: tuple[int, int, int]) -> Array:
        """The weights as [group][row][depth = (outer, tap)], zeros up to whole tiles."""
        padded_rows, depth = -(-rows // ROWS) * ROWS, -(-outers * g.taps // self._depth) * self._depth
        packed = self._workspace.take("packed", (g.groups, padded_rows, depth), g.x.dtype)
        shape = make(PACK, g.groups, rows, outers, g.taps, padded_rows, depth, *strides)
        flat(self._device, "conv_pack", packed.size, g.w.argument, packed.argument, shape)
        return packed

    def _launch(self, kernel: str, g: Geometry, target: Array, rows: int, arguments: Sequence[Any]) -> None:
        columns = target.size // target.shape[0]
        grid = (-(-columns // COLUMNS), -(-rows // ROWS), g.groups)
        self._device.launch(kernel, grid, (THREADS, 1, 1), [np.asarray(each) for each in arguments])
