"""A net drawn as the paper's Figure 2: its columns as rows of blocks from the image to the classes, with the crossings.

A block is what a layer with weights gives: as high and deep as its maps, as wide as there are many. On it lies the
window of the next one; a golden line is a crossing to another column.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet.figures.canvas import GOLD, INK, SOFT, blank, save
from alexnet.recipe import spec
from alexnet.recipe.topology import Shape, Topology, owned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FACES = ("#dbe7ef", "#c3d6e2", "#eef4f8")
SLANT = (0.34, 0.22)  # where the depth of a block goes, to the right and up
PITCH, FOOT = 2.75, 0.85  # from one column to the next, and below the last
SIZES, NAMES = 12, 10  # points: a page shows the picture at two thirds of its size


@dataclass(frozen=True)
class Stage:
    """What a layer with weights gives: `maps` in each column; how it came: `window` as text, `crosses` from others."""

    name: str
    maps: tuple[int, ...]
    side: int
    window: str
    size: int
    crosses: bool
    pooled: bool = False


@dataclass(frozen=True)
class Block:
    """A stage's place: its front's left edge, width and height."""

    left: float
    wide: float
    high: float

    @property
    def tall(self) -> float:
        """Its height with its back."""
        return (1 + SLANT[1]) * self.high

    @property
    def right(self) -> float:
        """Where its back ends."""
        return self.left + self.wide + SLANT[0] * self.high


def net_figure(net: Topology, title: str, path: Path) -> None:
    """Draw `net`; the suffix of `path` says in which form, such as .svg. Failure where it cannot be written."""
    stages = _stages(net)
    blocks, left = [], 0.6
    for stage in stages:
        block = _block(stage, left)
        blocks.append(block)
        left = block.right + (0.75 if stage.side > 1 else 0.6)
    foot = [PITCH * (net.columns - 1 - column) + FOOT for column in range(net.columns)]
    middle = sum(foot) / len(foot)
    height = max(middle + blocks[0].tall, *(foot[0] + block.tall for block in blocks[1:])) + 0.8
    figure = blank(left + 0.2, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, left + 0.2)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    axes.text(0.2, height - 0.3, title, fontsize=14, color=INK, va="center", parse_math=False)
    feet = [[middle], *[foot] * (len(stages) - 1)]
    placed = list(zip(blocks, feet, strict=True))
    for (below, above), stage in zip(pairwise(placed), stages[1:], strict=True):
        _lines(axes, below, above, stage)
    for stage, (block, rows) in zip(stages, placed, strict=True):
        for maps, row in zip(stage.maps, rows, strict=True):
            _draw(axes, stage, block, row, maps)
    save(figure, path)


def _stages(net: Topology) -> list[Stage]:
    """The image, and each layer with weights."""
    found = [Stage("image", (net.image.maps,), net.image.height, "", 0, False)]
    crosses = False
    for each in net.layers:
        layer = each.layer
        if isinstance(layer, spec.Exchange):
            crosses = net.columns > 1
        elif isinstance(layer, spec.Apart):
            crosses = False
        elif isinstance(layer, spec.Pool):
            found[-1] = Stage(**{**vars(found[-1]), "pooled": True})
        elif isinstance(layer, spec.Weighted):
            found.append(_stage(layer, each.output, net.columns, crosses))
            crosses = False
    return found


def _stage(layer: spec.Weighted, output: Shape, columns: int, crosses: bool) -> Stage:
    maps = tuple(len(owned(output.maps, columns, column)) for column in range(columns))
    if not isinstance(layer, spec.Kernels):
        return Stage(layer.name, maps, 1, "dense", 0, crosses)
    stride = f", stride {layer.stride}" if layer.stride > 1 else ""
    return Stage(layer.name, maps, output.height, f"{layer.size}x{layer.size}{stride}", layer.size, crosses)


def _block(stage: Stage, left: float) -> Block:
    if stage.side == 1:
        return Block(left, 0.12, 0.35 + 0.26 * math.sqrt(max(stage.maps)) / 16)
    return Block(left, 0.06 + 0.75 * math.sqrt(max(stage.maps) / 256), 0.3 + 1.15 * math.sqrt(stage.side / 224))


def _draw(axes: "Axes", stage: Stage, block: Block, foot: float, maps: int) -> None:
    """One column's block with its sizes."""
    from matplotlib.patches import Polygon

    x, wide, high = block.left, block.wide, block.high
    dx, dy = SLANT[0] * high, SLANT[1] * high
    front = [(x, foot), (x + wide, foot), (x + wide, foot + high), (x, foot + high)]
    top = [(x, foot + high), (x + wide, foot + high), (x + wide + dx, foot + high + dy), (x + dx, foot + high + dy)]
    side = [(x + wide, foot), (x + wide + dx, foot + dy), (x + wide + dx, foot + high + dy), (x + wide, foot + high)]
    for face, colour in zip((front, side, top), FACES, strict=True):
        axes.add_patch(Polygon(face, closed=True, facecolor=colour, edgecolor=INK, linewidth=0.8))
    axes.text(x + wide / 2, foot - 0.12, f"{maps}", fontsize=SIZES, color=INK, ha="center", va="center")
    below = [stage.name, *(["max pooling" if stage.side > 1 else "pooling"] if stage.pooled else [])]
    axes.text(x + wide / 2, foot - 0.27, "\n".join(below), fontsize=NAMES, color=SOFT, ha="center", va="top")
    if stage.side > 1:
        axes.text(x - 0.06, foot + 0.14, f"{stage.side}", fontsize=SIZES, color=INK, ha="right", va="center")


def _lines(axes: "Axes", below: tuple[Block, list[float]], above: tuple[Block, list[float]], stage: Stage) -> None:
    """From each column's block to those that see it."""
    (near, feet), (far, ends) = below, above
    for row, foot in enumerate(feet):
        start = (near.left + near.wide + SLANT[0] * near.high / 2, foot + near.high / 2 + SLANT[1] * near.high / 2)
        for column, end in enumerate(ends):
            own = row == column or len(feet) < len(ends)
            if own or stage.crosses:
                colour, width = (SOFT, 0.9) if own else (GOLD, 1.3)
                across, up = [start[0], far.left], [start[1], end + far.high / 2]
                axes.plot(across, up, zorder=5, linestyle="--", color=colour, linewidth=width)
                if row == column:
                    spot = (near.right + far.left) / 2, max(foot + near.tall, end + far.tall) + 0.05
                    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
                    axes.text(
                        *spot, stage.window, fontsize=NAMES, color=INK, ha="center", va="bottom", bbox=paper, zorder=6
                    )
