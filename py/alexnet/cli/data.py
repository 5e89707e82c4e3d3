"""`alexctl prep` and `recipes`."""

import sys
from pathlib import Path

from alexnet.errors import Failure
from alexnet.recipe import bundled, header, load
from alexnet.topology import topology


def prepare(source: Path, out: Path, size: int, workers: int | None, limit: int | None, seed: int) -> None:
    """Images to shards."""
    import data_prep

    if not source.exists():
        raise Failure(f"{source}: no such folder; give your images: `alexctl prep IMAGES --out {out}`")
    data_prep.prepare(source, out, size=size, workers=workers, limit=limit, seed=seed)


def show_recipes(name: str | None, classes: int) -> None:
    """The list of recipes, or one net layer by layer."""
    from rich.console import Console

    from alexnet.drawing import drawing, plain

    if name is None:
        width = max(map(len, bundled()))
        for each, first_line in bundled().items():
            print(f"{each:{width}}  {first_line}")
        return
    for line in header(name):
        print(line)
    table = drawing(topology(load(name).net, classes), f"{name}, {classes} classes")
    if sys.stdout.isatty():
        Console().print(table)
    else:
        print(plain(table), end="")
