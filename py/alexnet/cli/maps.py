"""`alexctl maps`: what every layer makes of an image."""

from pathlib import Path
from typing import Annotated

import typer

from alexnet.cli.options import Device, Gpu, PrecisionAsked, Run, Threads
from alexnet.console import say


def maps(
    run: Run,
    image: Annotated[Path, typer.Argument(help="An image file.")],
    out: Annotated[Path, typer.Option(help="The picture.")] = Path("maps.png"),
    gpus: Gpu = None,
    device: Device = None,
    precision: PrecisionAsked = None,
    threads: Threads = None,
) -> None:
    """Draw the maps of every layer for an image's centre, in both columns, with the crossings between them."""
    from alexnet.figures.maps import maps_figure, rows
    from alexnet.machine.hardware import Wanted
    from alexnet.predict.images import pixels_of
    from alexnet.predict.run import open_run
    from alexnet.recipe.topology import topology

    opened = open_run(run, wanted=Wanted(gpus=gpus, device=device, threads=threads), precision=precision)
    pixels = pixels_of(image, opened.size)
    shapes = topology(opened.recipe.net, len(opened.classes))
    looked = opened.predictor("ten", 1, plain=True).look(pixels, opened.recipe.net.last_hidden)
    maps_figure(pixels, list(rows(shapes, looked.maps)), out)
    say(f"drawn: {out}")
