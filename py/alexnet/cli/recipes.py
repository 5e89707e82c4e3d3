"""`alexctl recipes`: what there is to train, and one net as a table or as a file to edit."""

from pathlib import Path
from typing import Annotated

import typer

from alexnet.cli import complete, tables
from alexnet.cli.options import Changes
from alexnet.console import say


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="A recipe's name or a TOML file.", autocompletion=complete.recipes)
    ] = None,
    classes: Annotated[int, typer.Option(min=2, help="Classes of the data.")] = 1000,
    toml: Annotated[bool, typer.Option("--toml", help="Print the complete recipe as a file to edit.")] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the net as the paper's Figure 2, into this .svg, .pdf or .png.")
    ] = None,
    set_: Changes = None,
) -> None:
    """List the recipes, or show one net as a table of its layers."""
    from alexnet.recipe import bundled, header, load
    from alexnet.recipe.table import drawing
    from alexnet.recipe.topology import topology

    if name is None:
        width = max(map(len, bundled()))
        for each, first_line in bundled().items():
            print(f"{each:{width}}  {first_line}")
        return
    recipe = load(name, set_ or ())
    if figure is not None:
        from alexnet.figures.net import net_figure

        net_figure(topology(recipe.net, classes), f"{name}, {classes} classes", figure)
        say(f"drawn: {figure}")
        return
    lines = header(name)
    if toml:
        print("\n".join(f"# {line}".rstrip() for line in lines) + "\n\n" + recipe.to_toml(), end="")
        return
    for line in lines:
        print(line)
    tables.show(drawing(topology(recipe.net, classes), f"{name}, {classes} classes"))
