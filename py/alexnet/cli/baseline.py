"""`alexctl baseline`: what the net was measured against."""

import json as json_lines
from pathlib import Path
from typing import Annotated, Literal

import typer

from alexnet.cli.options import Json


def baseline(
    data: Annotated[Path, typer.Argument(help="The prepared data.")] = Path("data"),
    kind: Annotated[
        Literal["fisher", "sparse"],
        typer.Option(help="SIFT and colours with Fisher vectors, or sparse coding of HOG, LBP and SIFT."),
    ] = "fisher",
    split: Annotated[Literal["val", "test"], typer.Option(help="The split whose images are classified.")] = "val",
    labels: Annotated[
        Path | None,
        typer.Option(help="Images of several classes: a folder of VOC2007's lists; the precision of searches is told."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer descriptors, codewords and training images.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The seed of every random number.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one per core).")] = None,
    json: Json = False,
) -> None:
    """Learn a baseline of the paper's Tables 1 and 2 on the training images, and measure it."""
    from alexnet.baselines import run
    from alexnet.data.shards import Dataset
    from alexnet.machine.cores import cores

    there, workers = Dataset(data), workers or cores()
    if labels is None:
        scores = run.run(there, kind, split, quick=quick, seed=seed, workers=workers)
        for name, errors in {**scores.channels, "together": scores.together}.items():
            shares = f"top-1 error {errors.top1_error:7.2%}, by class {errors.class_error:7.2%}"
            print(f"{name:12} {shares}, top-5 error {errors.top5_error:7.2%}", flush=True)
        told = scores.as_json()
    else:
        found = run.search(there, kind, labels, split, quick=quick, seed=seed, workers=workers)
        for name, precision in found.together.average_precisions.items():
            print(f"{name:12} average precision {precision:12.2%}")
        for name, precisions in {**found.channels, "together": found.together}.items():
            print(f"{name:12} mean average precision {precisions.mean_average_precision:7.2%}", flush=True)
        told = found.as_json()
    if json:
        print(json_lines.dumps(told), flush=True)
