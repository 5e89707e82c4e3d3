"""A confusion matrix as a picture: a row a right class, a column a class that the net said, dark where it said so."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.figures.canvas import INK, SOFT, blank, fit, save

NAMED = 40  # classes, up to which there is room for their names
NUMBERED = 15  # and for the counts


def confusion_figure(matrix: NDArray[np.int64], names: Sequence[str], path: Path) -> None:
    """`matrix[right][said]` counts images; each row is shaded by its shares. Failure where it cannot be written."""
    count = len(names)
    side, room = min(6.4, 2.4 + 0.2 * count), 1.5 if count <= NAMED else 0.6
    figure = blank(side + room, side + room)
    axes = figure.add_axes((room / (side + room), 0.02, side / (side + room) - 0.02, side / (side + room) - 0.02))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest" if count <= 600 else "antialiased")
    axes.xaxis.set_ticks_position("top")
    axes.xaxis.set_label_position("top")
    if count <= NAMED:
        called = [fit(name, 1.2, 8) for name in names]
        axes.set_xticks(range(count), called, rotation=90, parse_math=False)
        axes.set_yticks(range(count), called, parse_math=False)
    axes.tick_params(labelsize=8, colors=INK, length=0)
    axes.set_xlabel("what the net said", fontsize=9, color=SOFT)
    axes.set_ylabel("the right class", fontsize=9, color=SOFT)
    for spine in axes.spines.values():
        spine.set_color("#d9dce1")
    if count <= NUMBERED:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            ink = "white" if shares[row, column] > 0.5 else INK
            axes.text(column, row, f"{matrix[row, column]}", ha="center", va="center", fontsize=8, color=ink)
    save(figure, path)
