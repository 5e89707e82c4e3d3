"""`alexctl prep`, `show` and `recipes`."""

import sys
from pathlib import Path
from typing import Any

from alexnet.console import say
from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from alexnet.recipe import bundled, header, load
from alexnet.recipe.topology import topology


def prepare(source: Path, out: Path, *, limit: str | None, part: str | None, **options: Any) -> None:
    """Images to shards; the options are those of `data_prep.prepare`."""
    from data_prep import Part
    from data_prep import prepare as prepare_data

    if not source.exists():
        raise Failure(f"{source}: no such folder; give your images: `alexctl prep IMAGES --out {out}`")
    prepared = prepare_data(source, out, limit=_limit(limit), part=Part.parse(part) if part else None, **options)
    counts = ", ".join(f"{count} {split}" for split, count in prepared.images.items() if count)
    if part:
        say(f"{out}: part {part} is there, {sum(prepared.images.values())} images, {prepared.skipped} skipped")
        say("when all parts are, the same command without --part joins them")
        return
    skipped = f"; {prepared.skipped} skipped, listed in {out / 'skipped.jsonl'}" if prepared.skipped else ""
    reused = "" if prepared.made else " (nothing was left to make)"
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


def show(path: Path, out: Path | None) -> None:
    """A dataset as one picture."""
    from alexnet.figures.dataset import draw

    data = Dataset(path)
    picture = out or path / "show.png"
    draw(data, picture)
    say(f"drawn: {picture}")


def show_recipes(name: str | None, classes: int) -> None:
    """The list of recipes, or one net layer by layer."""
    from rich.console import Console

    from alexnet.recipe.table import drawing, plain

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
