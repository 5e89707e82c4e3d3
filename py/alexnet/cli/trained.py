"""`alexctl eval` and `figures`: what a trained run can do."""

import json as json_lines
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alexnet.cli.options import Crops, Data, Device, Gpu, Json, NewestRun, PrecisionAsked, Runs, Split, Threads
from alexnet.console import progress, say

if TYPE_CHECKING:
    from alexnet.predict.evaluate import Errors


def evaluate(
    runs: Runs = None,
    data: Data = None,
    split: Split = "val",
    crops: Crops = "ten",
    gpus: Gpu = None,
    device: Device = None,
    precision: PrecisionAsked = None,
    threads: Threads = None,
    json: Json = False,
    probs: Annotated[Path | None, typer.Option(help="Write the probabilities to this .npz file.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the confusion matrix and each class's errors: a page (.html), or numbers (.json)."),
    ] = None,
) -> None:
    """Measure top-1 and top-5 errors; the predictions of several runs are averaged."""
    from alexnet.machine.hardware import Wanted
    from alexnet.pages.evaluation import write_report
    from alexnet.predict.confusion import confusion
    from alexnet.predict.evaluate import evaluate
    from alexnet.predict.run import open_run

    wanted = Wanted(gpus=gpus, device=device, threads=threads)
    opened = [open_run(path, wanted=wanted, precision=precision, data=data) for path in runs or (None,)]
    found = evaluate(opened, data=data, split=split, crops=crops, progress=progress)
    if found.note:
        say(f"note: {found.note}")
    if probs is not None:
        _write_probs(probs, found)
    if report is not None:
        write_report(confusion(found, opened[0].classes, split), report)
    names = ", ".join(str(run.path) for run in opened)
    print(
        f"{names} on {found.images} images of {found.data} ({split}), {crops} crops: "
        f"top-1 error {found.top1:.2%}, top-5 error {found.top5:.2%}",
        flush=True,
    )
    if json:
        print(json_lines.dumps(found.as_json()), flush=True)


def _write_probs(path: Path, found: "Errors") -> None:
    import numpy as np

    from alexnet.files import whole_file

    with whole_file(path) as beside, beside.open("wb") as file:
        np.savez(file, probs=found.probs, labels=found.labels)


def figures(
    run: NewestRun = None,
    data: Data = None,
    split: Split = "val",
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures (default: the run's).")] = None,
    errors_only: Annotated[
        bool, typer.Option("--errors-only", help="Draw only images that the net gets wrong, with its predictions.")
    ] = False,
    threads: Threads = None,
) -> None:
    """Draw the paper's Figures 3 and 4, and how the training went."""
    from alexnet.figures.gallery import draw, draw_errors
    from alexnet.machine.hardware import Wanted
    from alexnet.predict.run import open_run

    opened = open_run(run, wanted=Wanted(device="cpu", threads=threads), data=data)
    if errors_only:
        say(f"drawn: {draw_errors(opened, data=data, split=split, out=out, progress=progress)}")
        return
    for path in draw(opened, data=data, split=split, out=out, progress=progress):
        say(f"drawn: {path}")
