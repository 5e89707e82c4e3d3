"""`alexctl prep` and `recipes`."""

import sys
from pathlib import Path
from typing import Any

from alexnet.console import say
from alexnet.errors import Failure
from alexnet.recipe import bundled, header, load
from alexnet.topology import topology


def prepare(source: Path, out: Path, *, limit: str | None, **options: Any) -> None:
    """Images to shards; the options are those of `data_prep.prepare`."""
    from data_prep.prepare import prepare as prepare_data

    if not source.exists():
        raise Failure(f"{source}: no such folder; give your images: `alexctl prep IMAGES --out {out}`")
    prepared = prepare_data(source, out, limit=_limit(limit), **options)
    counts = ", ".join(f"{count} {split}" for split, count in prepared.images.items() if count)
    skipped = f"; {prepared.skipped} skipped, listed in {out / 'skipped.jsonl'}" if prepared.skipped else ""
    reused = "" if prepared.made else " (was whole already)"
    say(f"{out}: {prepared.classes} classes, images: {counts}{skipped}{reused}")


def _limit(text: str | None) -> int | dict[str, int] | None:
    """`N`, or `train=N,val=N,test=N`."""
    if text is None:
        return None
    try:
        if "=" not in text:
            return int(text)
        parts = (part.split("=") for part in text.split(","))
        limits = {split: int(count) for split, count in parts}
    except ValueError:
        raise Failure(f"--limit {text}: write a number, or such as train=1000,val=50,test=100") from None
    return limits


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
