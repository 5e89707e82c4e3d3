"""What pages are made of: templates beside this file, and pictures inside the page."""

import base64
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def page(template: str, **values: object) -> str:
    """A template filled in; what it shows is escaped, and a value that is missing is an error."""
    loader = PackageLoader("alexnet.pages")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template(template).render(**values)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table of numbers, each row with its name first, as an element of the page."""
    return Markup(page("table.html", heads=heads, rows=list(rows)))


def drawn(draw: Callable[[Path], None], text: str) -> Markup:
    """A picture that `draw` writes to a file, as an element of the page; `text` says what it shows."""
    with TemporaryDirectory(prefix="alexctl-") as folder:
        file = Path(folder) / "picture.png"
        draw(file)
        return picture(file, text)


def picture(file: Path, text: str) -> Markup:
    """A PNG file as an element of the page."""
    inside = base64.b64encode(file.read_bytes()).decode()
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(text, inside)
