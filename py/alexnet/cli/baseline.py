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
    quick: Annotated[bool, typer.Option("--quick", help="Fewer descriptors, codewords and training images.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The seed of every random number.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one per core).")] = None,
    json: Json = False,
) -> None:
    """Learn a baseline of the paper's Tables 1 and 2 on the training images, and measure it."""
    from alexnet.baselines.run import run
    from alexnet.data.shards import Dataset
    from alexnet.machine.cores import cores

    scores = run(Dataset(data), kind, split, quick=quick, seed=seed, workers=workers or cores())
    for name, errors in {**scores.channels, "together": scores.together}.items():
        shares = f"top-1 error {errors.top1_error:7.2%}, by class {errors.class_error:7.2%}"
        print(f"{name:12} {shares}, top-5 error {errors.top5_error:7.2%}", flush=True)
    if json:
        print(json_lines.dumps(scores.as_json()), flush=True)
