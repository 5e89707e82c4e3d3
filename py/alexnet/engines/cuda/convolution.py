"""Convolution on a device: tiles, packed weights, split sums (engine/cuda/conv.cu, conv_pack.cu, conv_weights.cu)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alexnet.engines.cuda.device import Array, Device, Form, Values, flat
from alexnet.engines.cuda.shapes import CONV, PACK, check, check_kind, check_side, make
from alexnet.engines.cuda.sizes import SIZES
from alexnet.engines.cuda.workspace import Workspace
from alexnet.engines.maps import FLOAT, map_type

COLUMNS, THREADS, TOGETHER = SIZES["CONV_COLUMNS"], SIZES["CONV_THREADS"], SIZES["CONV_TOGETHER"]

# The largest GPU's, to be filled once by the parts of a split sum; a constant, so that sums have one order everywhere.
MULTIPROCESSORS = 132


@dataclass(frozen=True)
class Tile:
    """One kind of block: what ends a kernel's name, the rows of its tile, how many share a multiprocessor."""

    name: str
    rows: int
    blocks: int

    def over(self, rows: int) -> int:
        """Tiles that cover so many rows."""
        return -(-rows // self.rows)


def tile_for(rows: int) -> Tile:
    """The kind that leaves the fewest of its rows empty, of equals the tallest: it reads the columns least often."""
    names = "lowest", "low", "middle", "tall"
    tiles = [Tile(name, SIZES[f"CONV_{name.upper()}"], SIZES[f"CONV_{name.upper()}_BLOCKS"]) for name in names]
    return min(tiles, key=lambda tile: (tile.over(rows) * tile.rows, -tile.rows))


def padded(maps: int) -> int:
    """Maps of one tap in the order of depth, (tap, map)."""
    return -(-maps // TOGETHER) * TOGETHER


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
        self._depth = SIZES["CONV_DEPTH_BYTES"] // map_type(device.precision).itemsize

    def forward(self, g: Geometry, b: Array, relu: bool) -> None:
        packed = self._pack(g, g.kernels, g.maps, (g.maps * g.taps, g.taps))
        arguments = [g.x.argument, packed.argument, b.argument, g.y.argument, g.structure(g.x, g.y), np.int32(relu)]
        self._launch("conv_forward", g, g.y, g.kernels, arguments)

    def backward_data(self, g: Geometry) -> None:
        packed = self._pack(g, g.maps, g.kernels, (g.taps, g.maps * g.taps))
        arguments = [g.y.argument, packed.argument, g.x.argument, g.structure(g.y, g.x)]
        self._launch("conv_backward_data", g, g.x, g.maps, arguments)

    def backward_weights(self, g: Geometry, dw: Array, db: Array) -> None:
        depth, columns = padded(g.maps) * g.taps, g.y.size // g.y.shape[0]
        tile = tile_for(g.kernels)
        across, along = -(-depth // COLUMNS), tile.over(g.kernels)
        fill = MULTIPROCESSORS * tile.blocks // (across * along * g.groups)
        splits = max(1, min(fill, columns // (8 * self._depth)))
        partial = self._workspace.take("partial", (splits, g.y.shape[0], depth + TOGETHER), FLOAT)
        arguments = [g.x.argument, g.y.argument, partial.argument, g.structure(g.x, g.y), np.int32(g.groups)]
        grid = (across, along, g.groups * splits)
        name = f"conv_backward_weights_{tile.name}"
        self._device.launch(name, grid, (THREADS, 1, 1), [np.asarray(each) for each in arguments])
        runs = partial.size // splits // TOGETHER
        sizes = [np.int32(each) for each in (g.y.shape[0], g.maps, g.taps, splits)]
        flat(self._device, "conv_add_splits", runs, partial.argument, dw.argument, db.argument, *sizes)

    def _pack(self, g: Geometry, rows: int, maps: int, strides: tuple[int, int]) -> Array:
        """The weights as the product reads them that makes `rows` of `maps`; strides of a row and of a map.

        They are packed once, and then kept up as the weights change.
        """
        tile, steps = tile_for(rows), -(-padded(maps) * g.taps // self._depth)
        tiles = tile.over(rows)
        group = g.kernels * g.maps * g.taps
        shape = make(PACK, g.groups, rows, maps, g.taps, tile.rows, tiles, steps, group, *strides)
        for form in g.w.forms:
            if form.shape == shape:
                return form.array
        packed = Array.empty(self._device, (g.groups * tiles * steps, tile.rows, self._depth), g.x.dtype)
        g.w.forms.append(Form(packed, shape))
        g.w.refresh()
        return packed

    def _launch(self, kernel: str, g: Geometry, target: Array, rows: int, arguments: Sequence[Any]) -> None:
        tile, columns = tile_for(rows), target.size // target.shape[0]
        grid = (-(-columns // COLUMNS) * tile.over(rows), g.groups, 1)
        name = f"{kernel}_{tile.name}"
        self._device.launch(name, grid, (THREADS, 1, 1), [np.asarray(each) for each in arguments])
