"""The net as a table with its columns and crossings: Fig. 2 in text."""

import io
from dataclasses import fields

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alexnet.recipe.spec import Apart, Exchange, LayerSpec, Weighted
from alexnet.recipe.topology import LayerShape, Shape, Topology, owned

PLAIN_WIDTH = 112
CROSSING = "═══╳═══"  # noqa: RUF001


def drawing(net: Topology, title: str) -> Table:
    """A row a layer: kind, settings, output, what each column holds, weights, parameters, multiply-adds."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption="work: multiply-adds of one image, forward",
        caption_justify="right",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_footer=True,
    )
    table.add_column("layer", footer="whole net", no_wrap=True)
    table.add_column(_cut("kind and settings"))
    table.add_column("output", justify="right", no_wrap=True)
    table.add_column("columns", justify="center", no_wrap=True)
    table.add_column("weights", justify="right", no_wrap=True)
    table.add_column("parameters", f"{net.parameters:,}", justify="right", no_wrap=True)
    table.add_column("work", _millions(net.multiply_adds), justify="right", no_wrap=True)
    table.add_row("image", "RGB", str(net.image), _columns(net, net.image, False), style="dim")
    for each in net.layers:
        table.add_row(*_row(net, each), style=_style(each.layer))
    return table


def plain(table: Table, width: int = PLAIN_WIDTH) -> str:
    """The same without colours or escapes, for files and pipes."""
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, force_terminal=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _row(net: Topology, each: LayerShape) -> tuple[str | Text, ...]:
    crosses = isinstance(each.layer, Exchange | Apart) and net.columns > 1
    return (
        each.layer.name,
        _cut(_crossing(each) if crosses else _settings(each.layer)),
        str(each.output) if each.output != each.input else "",
        CROSSING if crosses else _columns(net, each.output, each.output_split),
        "x".join(map(str, each.weight)),
        f"{each.parameters:,}" if each.weight else "",
        _millions(each.multiply_adds) if each.weight else "",
    )


def _crossing(each: LayerShape) -> str:
    seen = "its own part of" if each.output_split else "all"
    return f"{each.layer.kind}: each sees {seen} {each.output.maps}"


def _cut(text: str) -> Text:
    """The one column that gives way in a narrow terminal."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def _columns(net: Topology, shape: Shape, split: bool) -> str:
    """The maps that each column holds."""
    parts = [len(owned(shape.maps, net.columns, column)) for column in range(net.columns)]
    return " │ ".join(map(str, parts if split else [shape.maps]))


def _settings(layer: LayerSpec) -> str:
    """The layer's kind and those of its keys that neither the shapes nor the defaults tell."""
    told = {field.name for field in fields(Weighted)} | {"kernels", "units"}
    own = [(each.name, getattr(layer, each.name), each.default) for each in fields(layer) if each.name not in told]
    shown = [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value, default in own
        if value != default
    ]
    return layer.kind.replace("_", " ") + (": " if shown else "") + ", ".join(shown)


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f} M"


def _style(layer: LayerSpec) -> str:
    if isinstance(layer, Exchange | Apart):
        return "bold yellow"
    return "bold" if isinstance(layer, Weighted) else "dim"
