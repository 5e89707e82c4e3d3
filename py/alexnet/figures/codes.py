"""What codes find: queries, and beside each the images nearest by distance, by code, and by a code of the pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from alexnet.data.format import Pixels, titles
from alexnet.data.shards import Dataset
from alexnet.figures.canvas import INK, SOFT, blank, fit, picture, save
from alexnet.figures.dataset import evenly
from alexnet.retrieval.comparison import Compared, Plan, asked
from alexnet.retrieval.features import Features

RIGHT = "#c2543a"
QUERIES, SHOWN = 5, 8
CELL, LINE, GAP, EDGE = 1.0, 0.17, 0.14, 0.12  # inches: an image, a line of text, between queries, the margin


@dataclass(frozen=True)
class Found:
    """Some images that one way of searching found, their names, and whether each is of the query's class."""

    images: Sequence[Pixels]
    names: Sequence[str]
    alike: Sequence[bool]


def draw(plan: Plan, data: Dataset, compared: Mapping[str, Compared], path: Path) -> None:
    """The picture for queries of as many classes as there is room for. Raises Failure where it cannot be written."""
    features, queries = Features(plan.features), Features(plan.queries)
    numbers = asked(queries)
    labels = queries.labels[numbers]
    places = evenly(labels, QUERIES)
    searched, sought = data.split(features.origin.split), data.split(queries.origin.split)
    called, bits = titles(data.classes), max(plan.bits)
    ways = {
        "nearest by Euclidean distance of the features": compared["features"].by_distance,
        f"by codes of {bits} bits of the features": compared["features"].by_code,
        f"by codes of {bits} bits of the pixels": compared["pixels"].by_code,
    }

    def found(rows: NDArray[Any], label: int) -> Found:
        of = [int(features.labels[row]) for row in rows]
        images = [searched.image(int(row)) for row in rows]
        return Found(images, [called[each] for each in of], [each == label for each in of])

    codes_figure(
        [sought.image(int(numbers[place])) for place in places],
        [called[labels[place]] for place in places],
        [{way: found(rows[place, :SHOWN], labels[place]) for way, rows in ways.items()} for place in places],
        path,
    )


def codes_figure(
    queries: Sequence[Pixels], names: Sequence[str], found: Sequence[Mapping[str, Found]], path: Path
) -> None:
    """A block a query: itself at the left, then a row for each way of searching; its class's names are red."""
    ways = max(len(each) for each in found)
    across = max(len(way.images) for each in found for way in each.values())
    block = ways * (CELL + 2 * LINE) + GAP
    width, height = 2 * EDGE + (across + 1) * CELL + GAP, 2 * EDGE + len(queries) * block
    figure = blank(width, height)

    def show(image: Pixels, name: str, colour: str, left: float, top: float) -> None:
        axes = figure.add_axes((left / width, 1 - (top + CELL) / height, 0.96 * CELL / width, CELL / height))
        picture(axes, image)
        axes.set_xlabel(fit(name, CELL, 7), fontsize=7, color=colour, labelpad=2, parse_math=False)

    for number, (query, name, searches) in enumerate(zip(queries, names, found, strict=True)):
        top = EDGE + number * block
        show(query, name, INK, EDGE, top + LINE)
        for way, seen in searches.items():
            left = EDGE + CELL + GAP
            figure.text(left / width, 1 - (top + 0.7 * LINE) / height, way, fontsize=7, color=SOFT, parse_math=False)
            for image, called, alike in zip(seen.images, seen.names, seen.alike, strict=True):
                show(image, called, RIGHT if alike else SOFT, left, top + LINE)
                left += CELL
            top += CELL + 2 * LINE
    save(figure, path)
