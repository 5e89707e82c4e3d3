"""The maps of every layer for one image, a column beside the other, with the crossings between them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.data.format import Pixels
from alexnet.figures.canvas import GOLD, INK, SOFT, blank, picture, save
from alexnet.recipe.spec import Apart, Exchange
from alexnet.recipe.topology import Topology, owned

Maps = NDArray[np.float32]
ACROSS, WIDE = 8, 64  # maps in a row, where they have height and width and where they are single values


@dataclass(frozen=True)
class Row:
    """A layer's maps: a sheet of bytes for each column, or one where every column sees all; none of a crossing."""

    name: str
    text: str
    sheets: tuple[NDArray[np.uint8], ...]


def rows(shapes: Topology, maps: Mapping[str, Maps]) -> Iterator[Row]:
    """What there is to show of `maps` (maps, height, width) by layer, from the image up, and where columns cross."""
    for each in shapes.layers:
        name = each.layer.name
        if isinstance(each.layer, Exchange | Apart) and shapes.columns > 1:
            yield Row(name, "the columns meet" if isinstance(each.layer, Exchange) else "the columns part", ())
        elif name in maps:
            values = maps[name]
            parts = shapes.columns if each.output_split else 1
            cut = [owned(len(values), parts, column) for column in range(parts)]
            text = f"{each.layer.kind.replace('_', ' ')}, {each.output}"
            yield Row(name, text, tuple(sheet(values[part.start : part.stop]) for part in cut))


def sheet(maps: Maps) -> NDArray[np.uint8]:
    """Maps (n, h, w) side by side as grey bytes: black is 0 or less, white the largest value of them all."""
    count, height, width = maps.shape
    seam = 1 if height * width > 1 else 0
    across = min(count, ACROSS if seam else WIDE)
    down = -(-count // across)
    largest = float(np.max(maps, initial=0))
    bright = np.clip(maps / largest if largest > 0 else np.zeros_like(maps), 0, 1)
    found = np.zeros((down * (height + seam) - seam, across * (width + seam) - seam), np.uint8)
    if seam:
        found[...] = 40
    for index, each in enumerate(bright):
        y, x = index // across * (height + seam), index % across * (width + seam)
        found[y : y + height, x : x + width] = np.rint(255 * each)
    return found


def maps_figure(image: Pixels, shown: list[Row], path: Path) -> None:
    """The image, and below it each row: its name, its sheets, and a line where the columns cross."""
    width, label = 8.0, 1.2
    heights = [_height(row, (width - label) / 2) for row in shown]
    top = 1.9
    figure = blank(width, top + sum(heights) + 0.1)
    whole = float(figure.get_figheight())
    frame = figure.add_axes((label / width, 1 - 1.7 / whole, 1.6 / width, 1.6 / whole))
    picture(frame, image)
    at = whole - top
    for row, height in zip(shown, heights, strict=True):
        at -= height
        middle = (at + height / 2) / whole
        weight = "bold" if row.sheets else "normal"
        figure.text(0.01, middle + 0.08 / whole, row.name, fontsize=8, fontweight=weight, color=INK, va="center")
        figure.text(0.01, middle - 0.08 / whole, row.text if row.sheets else "", fontsize=5.5, color=SOFT, va="center")
        if not row.sheets:
            axes = figure.add_axes((label / width, at / whole, 1 - label / width - 0.01, height / whole))
            axes.axhline(0.5, color=GOLD, linewidth=1.2)
            axes.text(0.5, 0.5, row.text, fontsize=7, color=INK, ha="center", va="center", backgroundcolor="white")
            axes.set_axis_off()
        for column, values in enumerate(row.sheets):
            room = (width - label - 0.1) / len(row.sheets)
            left = (label + column * room) / width
            axes = figure.add_axes((left, (at + 0.06) / whole, (room - 0.1) / width, (height - 0.12) / whole))
            axes.imshow(values, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="equal")
            axes.set_axis_off()
    save(figure, path)


def _height(row: Row, room: float) -> float:
    """Inches: as the sheets need at the width of one column, up to a third of a page."""
    if not row.sheets:
        return 0.3
    high, wide = row.sheets[0].shape
    return float(min(3.4, max(0.35, room * high / wide))) + 0.12
