"""`alexctl predict`: the likeliest classes of image files."""

import csv
import io
import json as json_lines
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alexnet.cli.options import Crops, Device, Gpu, Json, PrecisionAsked, Run, Threads
from alexnet.console import say
from alexnet.errors import Failure

if TYPE_CHECKING:
    from alexnet.data.format import ClassInfo


def predict(
    run: Run,
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="IMAGE", help="Image files, or folders of them.")
    ] = None,
    list_: Annotated[list[Path] | None, typer.Option("--list", help="A file that names one image per line.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 5,
    crops: Crops = "ten",
    out: Annotated[Path | None, typer.Option("--csv", help="Write a row per image and class to this file.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="The run's prepared data; only a run of version 0.1 needs it.")
    ] = None,
    gpus: Gpu = None,
    device: Device = None,
    precision: PrecisionAsked = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Name the likeliest classes of images; one that cannot be read is skipped."""
    from alexnet.data.format import titles
    from alexnet.machine.hardware import Wanted
    from alexnet.predict.images import named
    from alexnet.predict.run import open_run

    asked = named(images or (), list_ or ())
    if not asked:
        raise Failure("no image: name image files or folders, or --list FILE")
    wanted = Wanted(gpus=gpus, device=device, threads=threads)
    opened = open_run(run, wanted=wanted, precision=precision, data=data)
    called = titles(opened.classes)
    results: list[dict[str, Any]] = []
    skipped: list[str] = []
    for each in opened.predictions(asked, crops):
        if each.skipped:
            skipped.append(each.skipped)
            continue
        likely = each.top(top)
        shown = ", ".join(f"{called[info.index]} {probability:.1%}" for info, probability in likely)
        print(f"{each.image}: {shown}", flush=True)
        results.append({"image": str(each.image), "top": _entries(likely)})
    if out is not None:
        _write_csv(out, results)
    if json:
        print(json_lines.dumps({"predictions": results}), flush=True)
    for line in skipped[:-1]:
        say(f"skipped: {line}")
    if skipped:
        raise Failure(skipped[-1])


def _entries(likely: "list[tuple[ClassInfo, float]]") -> list[dict[str, Any]]:
    return [
        {"index": info.index, "id": info.id, "class": info.name, "probability": probability}
        for info, probability in likely
    ]


def _write_csv(path: Path, predictions: list[dict[str, Any]]) -> None:
    """A row per image and class."""
    from alexnet.files import write_whole

    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["image", "rank", "index", "id", "class", "probability"])
    for each in predictions:
        writer.writerows([each["image"], rank, *entry.values()] for rank, entry in enumerate(each["top"], 1))
    write_whole(path, table.getvalue())
