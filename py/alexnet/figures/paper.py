"""The paper's pictures as PNG (or any form that matplotlib knows by its suffix), whole or not at all.

Each takes arrays and a path, and raises Failure where the file cannot be written.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.format import Pixels
from alexnet.errors import Failure
from alexnet.figures.canvas import INK, SOFT, blank, cell_inches, fit, picture, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Images = Sequence[Pixels]

RIGHT, OTHER = "#e07a5f", "#a8c5da"
BARS = 5


def kernels_figure(weights: NDArray[np.float32], columns: int, path: Path) -> None:
    """Fig. 3: the first layer's kernels (K, 3, h, w), each column's below the one before.

    Each kernel has its own range: grey is 0, and its largest weight, either way, is full brightness.
    """
    figure = blank(8.0)
    count = len(weights) // columns
    across = min(count, 16)
    blocks = [_mosaic(weights[column * count : (column + 1) * count], across) for column in range(columns)]
    height = 8.0 * blocks[0].shape[0] / blocks[0].shape[1]
    gap, top = 0.32, 0.36
    total = top + columns * (height + gap)
    figure.set_size_inches(8.0, total)
    for column, block in enumerate(blocks):
        up = total - top - column * (height + gap) - height
        axes = figure.add_axes((0.015, up / total, 0.97, height / total))
        axes.imshow(block, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        title = f"column {column + 1}" if columns > 1 else "one column"
        axes.set_title(f"{title}: {count} kernels", loc="left", fontsize=9, color=INK, pad=5)
    note = f"{weights.shape[2]}x{weights.shape[3]}x3, each scaled to its own largest weight; grey is 0"
    figure.text(0.985, 0.09 / total, note, fontsize=7, color=SOFT, ha="right", va="bottom")
    save(figure, path)


def predictions_figure(
    images: Images,
    labels: Sequence[int],
    probs: NDArray[np.float32],
    names: Sequence[str],
    path: Path,
    count: int = 8,
) -> None:
    """Fig. 4, left: the first `count` images, each over its right label and the five likeliest classes.

    `images` (S, S, 3), `labels` and `probs` (n, classes) go together; `names` by class. The right label's bar
    is red.
    """
    shown = min(count, len(images))
    across = min(shown, 4)
    down = -(-shown // across)
    figure = blank(2.5 * across, 3.95 * down)
    grid = figure.add_gridspec(
        2 * down, across, height_ratios=[2.5, 1.25] * down, left=0.015, right=0.985, top=0.985, bottom=0.02
    )
    grid.update(wspace=0.08, hspace=0.17)
    for index in range(shown):
        row, column = divmod(index, across)
        frame = figure.add_subplot(grid[2 * row, column])
        picture(frame, images[index])
        right = int(labels[index])
        width = cell_inches(figure, frame)
        frame.set_xlabel(
            fit(names[right], width, 10), fontsize=10, fontweight="bold", color=INK, labelpad=5, parse_math=False
        )
        _bars(figure.add_subplot(grid[2 * row + 1, column]), probs[index], right, names, width)
    save(figure, path)


def neighbours_figure(
    queries: Images,
    neighbours: Sequence[Images],
    path: Path,
    query_names: Sequence[str],
    neighbour_names: Sequence[Sequence[str]],
) -> None:
    """Fig. 4, right: a row an image, first itself, then the training images nearest to it, each over its class."""
    across = 1 + max((len(row) for row in neighbours), default=0)
    figure = blank(1.45 * across + 0.3, 1.6 * len(queries) + 0.25)
    grid = figure.add_gridspec(
        len(queries),
        across + 1,
        width_ratios=[1, 0.12, *[1] * (across - 1)],
        left=0.01,
        right=0.99,
        top=1 - 0.25 / (1.6 * len(queries) + 0.25),
        bottom=0.03,
    )
    grid.update(wspace=0.05, hspace=0.16)
    for row, query in enumerate(queries):
        cells = [(0, query, query_names[row])]
        for place, image in enumerate(neighbours[row]):
            cells.append((place + 2, image, neighbour_names[row][place]))
        for column, image, name in cells:
            axes = figure.add_subplot(grid[row, column])
            picture(axes, image)
            axes.set_xlabel(
                fit(name, 1.4, 7),
                fontsize=7,
                color=INK if column == 0 else SOFT,
                labelpad=2,
                parse_math=False,
            )
            if row == 0 and column in (0, 2):
                title = "query" if column == 0 else "nearest training images"
                axes.set_title(title, loc="left", fontsize=8, color=SOFT, pad=4)
    save(figure, path)


def training_figure(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Loss, error and rate against epochs, from a log's rows ("epoch" with "loss", "top1_error", "rate" of a step,
    "val_loss", "val_top1_error", "val_top5_error" of a validation).
    """
    log = list(rows)
    if not any(row.get("loss") is not None for row in log):
        raise Failure(f"{path}: nothing to draw: the log holds no step yet")
    figure = blank(8.0, 6.4)
    axes = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1.4])
    figure.subplots_adjust(left=0.09, right=0.965, top=0.965, bottom=0.085, hspace=0.12)
    loss, error, rate = axes
    _running(loss, _series(log, "loss"), "training loss", OTHER)
    _line(loss, _series(log, "val_loss"), "validation loss", RIGHT)
    _running(error, _series(log, "top1_error", 100), "training error", OTHER)
    _line(error, _series(log, "val_top1_error", 100), "validation error, top-1", RIGHT)
    _line(error, _series(log, "val_top5_error", 100), "validation error, top-5", RIGHT, "--")
    epochs, rates = _series(log, "rate")
    rate.step(epochs, rates, where="post", color=INK, linewidth=1.4)
    if len(rates) and np.min(rates) > 0:
        rate.set_yscale("log")
    rate.minorticks_off()
    for each, label in zip(axes, ("loss", "error, %", "rate"), strict=True):
        _tidy(each, label)
    error.set_ylim(bottom=0)
    rate.set_xlabel("epochs", fontsize=9, color=INK)
    for each in (loss, error):
        if each.get_legend_handles_labels()[0]:
            # Where it is best would take longer to find than all else in a run of a million steps.
            each.legend(loc="upper right", frameon=False, fontsize=8, labelcolor=INK)
    figure.align_ylabels(axes)
    save(figure, path)


def _mosaic(kernels: NDArray[np.float32], across: int) -> NDArray[np.float32]:
    """Kernels (n, 3, h, w) as one picture in 0..1 with white seams."""
    count, _, height, width = kernels.shape
    down = -(-count // across)
    largest = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True)
    scaled = 0.5 + kernels / (2 * np.where(largest > 0, largest, 1))
    sheet = np.ones((down * (height + 1) - 1, across * (width + 1) - 1, 3), np.float32)
    for index, kernel in enumerate(scaled):
        row, column = divmod(index, across)
        y, x = row * (height + 1), column * (width + 1)
        sheet[y : y + height, x : x + width] = kernel.transpose(1, 2, 0)
    return sheet


def _bars(axes: "Axes", probs: NDArray[np.float32], right: int, names: Sequence[str], width: float) -> None:
    """The likeliest classes from above, their names on their bars."""
    best = np.argsort(-probs, kind="stable")[:BARS]
    colours = [RIGHT if each == right else OTHER for each in best]
    axes.barh(range(len(best)), probs[best], height=0.86, color=colours)
    for place, each in enumerate(best):
        axes.text(
            0.02,
            place,
            fit(names[each], width, 8),
            fontsize=8,
            color=INK,
            va="center",
            clip_on=True,
            parse_math=False,
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(BARS - 0.5, -0.5)
    axes.set_axis_off()
    axes.vlines(0, -0.5, len(best) - 0.5, color=SOFT, linewidth=1)


def _series(
    log: list[Mapping[str, Any]], key: str, times: float = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The epochs at which `key` was logged, and its values."""
    found = [(row["epoch"], row[key]) for row in log if row.get(key) is not None and "epoch" in row]
    pairs = np.array(found, np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1] * times


def _running(axes: "Axes", series: tuple[NDArray[np.float64], NDArray[np.float64]], label: str, colour: str) -> None:
    """Every step faintly, and the mean over a fiftieth of them as a line."""
    epochs, values = series
    if not len(values):
        return
    axes.plot(epochs, values, color=colour, linewidth=0.6, alpha=0.45)
    span = max(1, len(values) // 50)
    sums = np.cumsum(np.concatenate([[0.0], values]))
    means = (sums[span:] - sums[:-span]) / span
    axes.plot(epochs[span - 1 :], means, color="#3d6c8e", linewidth=1.6, label=label)


def _line(
    axes: "Axes", series: tuple[NDArray[np.float64], NDArray[np.float64]], label: str, colour: str, style: str = "-"
) -> None:
    epochs, values = series
    if len(values):
        axes.plot(epochs, values, style, color=colour, linewidth=1.6, marker="o", markersize=3.2, label=label)


def _tidy(axes: "Axes", label: str) -> None:
    axes.set_ylabel(label, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK, length=0)
    axes.grid(axis="y", color="#e6e9ec", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(SOFT)
