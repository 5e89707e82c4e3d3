"""A table on standard output."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def show(table: "Table") -> None:
    """Print it, coloured on a terminal."""
    from rich.console import Console

    from alexnet.recipe.table import plain

    if sys.stdout.isatty():
        Console().print(table)
    else:
        print(plain(table), end="")
