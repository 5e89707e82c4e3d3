"""What all pictures share: paper and ink, an image in its frame, text that fits, files that are whole."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet.data.format import Pixels
from alexnet.errors import Failure, reason
from alexnet.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT = "#22303c", "#687682"
GOLD = "#c9a227"  # of a crossing
DPI = 160


def blank(width: float, height: float = 1.0) -> "Figure":
    """A white sheet of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, facecolor="white")


def save(figure: "Figure", path: Path) -> None:
    """Write the picture, whole or not at all; Failure where it cannot be written."""
    path = Path(path)
    try:
        with whole_file(path) as beside, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in a script the font lacks
            figure.savefig(beside, format=path.suffix.removeprefix(".") or "png")
    except (OSError, ValueError) as error:
        raise Failure(f"{path}: cannot write this picture: {reason(error)}") from None


def picture(axes: "Axes", image: Pixels) -> None:
    """An image, its pixels left square where there are few of them."""
    few = max(image.shape[:2]) < 96
    axes.imshow(image, interpolation="nearest" if few else "antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def cell_inches(figure: "Figure", axes: "Axes") -> float:
    """The width of these axes."""
    return float(axes.get_position().width * figure.get_figwidth())


def fit(text: str, inches: float, points: float) -> str:
    """`text` cut to what a line of so many inches holds in letters of so many points."""
    text = " ".join(text.split())
    room = max(4, int(inches * 72 / (points * 0.58)))
    return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"
