"""Curves as an SVG that stands in a page: lines take the page's own colours, light or dark."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from alexnet.pages.parts import page

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 52, 12, 14, 44
STEPS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True)
class Line:
    """A curve of error shares over epochs, `dashed` or solid, `bold` or faint."""

    name: str
    epochs: Sequence[float]
    errors: Sequence[float]
    dashed: bool
    bold: bool


def curves_svg(lines: Sequence[Line], target: float = 0.25) -> Markup:
    """Training error in percent over the epochs, as Fig. 1 has it, with the `target` as a line across."""
    last = max((epoch for line in lines for epoch in line.epochs), default=1.0)
    step = next((step for step in STEPS if last / step <= 8), STEPS[-1])

    def x(epoch: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * epoch / last, 1)

    def y(error: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - error), 1)

    drawn = [
        {
            "name": line.name,
            "points": " ".join(f"{x(at)},{y(error)}" for at, error in zip(line.epochs, line.errors, strict=True)),
            "kind": f"{'dashed' if line.dashed else 'solid'} {'bold' if line.bold else 'faint'}",
        }
        for line in sorted(lines, key=lambda line: line.bold)
    ]
    drawing = page(
        "curves.svg",
        lines=drawn,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        target=y(target),
        across=[(f"{number * step:g}", x(number * step)) for number in range(int(last / step) + 1)],
        up=[(f"{share}", y(share / 100)) for share in (0, 25, 50, 75, 100)],
        base=y(0),
    )
    return Markup(drawing)
