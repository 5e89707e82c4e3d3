"""A dataset as one picture: samples with their labels, the mean image (section 2), the colour axes (section 4.1)."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alexnet.data.format import SPLITS, Pixels, titles
from alexnet.data.shards import Dataset, Split
from alexnet.figures.canvas import INK, SOFT, blank, fit, picture, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS, DOWN = 8, 6
CELL, LABEL = 1.25, 0.21  # inches: a sample's side, the line below it
SIDE, EDGE, HEAD = 2.7, 0.25, 0.75  # inches: the left column, the margins, the title
STRIP, REACH = 1.1, 2.5  # inches; deviations shown to either side of the mean colour


def evenly(labels: NDArray[np.int32], count: int) -> NDArray[np.intp]:
    """The places of at most so many labels (n), of as many different classes as there are."""
    order = np.argsort(labels, kind="stable")
    chosen: NDArray[np.intp] = order[np.linspace(0, len(labels) - 1, min(count, len(labels))).astype(int)]
    return chosen


def spread(split: Split, count: int) -> tuple[list[Pixels], list[int]]:
    """Images of as many different classes as there are, evenly over the split, and their labels."""
    chosen = evenly(split.labels, count)
    return [split.image(int(index)) for index in chosen], [int(split.labels[index]) for index in chosen]


def draw(data: Dataset, path: Path) -> None:
    """Write the picture; Failure where an image is damaged or the file cannot be written."""
    width = EDGE + SIDE + EDGE + ACROSS * CELL + EDGE
    height = HEAD + DOWN * (CELL + LABEL) + EDGE / 2
    figure = blank(width, height)
    counts = ", ".join(f"{data.counts[split]:,} {split}" for split in SPLITS if data.counts[split])
    about = f"{len(data.classes):,} classes (order: {data.class_order}), images of {data.size}x{data.size}: {counts}"
    name = fit(data.path.resolve().name, width - 2 * EDGE, 16)
    top = height - EDGE
    figure.text(EDGE / width, top / height, name, fontsize=15, color=INK, weight="bold", va="top", parse_math=False)
    figure.text(EDGE / width, (top - 0.29) / height, about, fontsize=8.5, color=SOFT, va="top", parse_math=False)
    _samples(figure, data, EDGE + SIDE + EDGE, height - HEAD)
    _statistics(figure, data, EDGE, height - HEAD)
    save(figure, path)


def _box(figure: "Figure", left: float, top: float, width: float, height: float) -> "Axes":
    """Axes at a place given in inches from the sheet's left and lower edge."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, (top - height) / up, width / across, height / up))


def _samples(figure: "Figure", data: Dataset, left: float, top: float) -> None:
    images, labels = spread(data.split("train"), ACROSS * DOWN)
    called = titles(data.classes)
    for place, (image, label) in enumerate(zip(images, labels, strict=True)):
        row, column = divmod(place, ACROSS)
        axes = _box(figure, left + column * CELL, top - row * (CELL + LABEL), CELL - 0.08, CELL - 0.08)
        picture(axes, image)
        name = fit(called[label], CELL - 0.12, 7)
        axes.set_xlabel(name, fontsize=7, color=INK, labelpad=3, parse_math=False)


def _statistics(figure: "Figure", data: Dataset, left: float, top: float) -> None:
    """The mean image, and below it each colour axis as the colours along it."""
    axes = _box(figure, left, top, SIDE, SIDE)
    picture(axes, data.mean.round().astype(np.uint8))
    axes.set_xlabel("mean of the training images", fontsize=8, color=INK, labelpad=4)
    width, height = figure.get_size_inches()

    def write(text: str, top: float, size: float, colour: str) -> None:
        figure.text(left / width, top / height, text, fontsize=size, color=colour, va="top")

    top -= SIDE + 0.55
    write("colour axes", top, 9, INK)
    write(f"the mean colour ± {REACH:g} deviations; marks at 0, ± 1", top - 0.19, 6.5, SOFT)
    top -= 0.42
    mean, total = data.mean.mean(axis=(0, 1), dtype=np.float64), data.eigenvalues.sum()
    for value, axis in zip(data.eigenvalues, data.eigenvectors.T, strict=True):
        deviation = float(np.sqrt(value))
        axes = _box(figure, left, top, SIDE, STRIP)
        axes.imshow(_colours(mean, axis * deviation), aspect="auto", extent=(-REACH, REACH, 0, 1))
        axes.vlines((-1, 0, 1), 0, 0.14, color="white", linewidth=1)
        axes.set_axis_off()
        share = value / total if total else 0.0
        red, green, blue = axis
        note = f"deviation {deviation:.1f}, {share:.1%};  RGB {red:+.2f} {green:+.2f} {blue:+.2f}"
        write(note, top - STRIP - 0.05, 6.8, INK)
        top -= STRIP + 0.36


def _colours(mean: NDArray[np.float64], step: NDArray[np.float64]) -> Pixels:
    """The colours (1, n, 3) from `REACH` steps below the mean colour to as many above."""
    along = np.linspace(-REACH, REACH, 256)[None, :, None]
    return (mean + along * step).clip(0, 255).round().astype(np.uint8)
