"""Options that several commands take."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from alexnet.cli import complete

Run = Annotated[Path, typer.Argument(help="A trained run.", autocompletion=complete.runs)]
NewestRun = Annotated[
    Path | None, typer.Argument(help="A trained run (default: the newest).", autocompletion=complete.runs)
]
Runs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="RUN", help="Trained runs (default: the newest).", autocompletion=complete.runs),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of standard output.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads per process (default: the cores, shared out).")]
Gpu = Annotated[str | None, typer.Option("--gpus", help="The GPU to run on, such as 0.")]
Gpus = Annotated[str | None, typer.Option("--gpus", help="GPUs to run on, such as 0,1: one column each.")]
Device = Annotated[Literal["cpu"] | None, typer.Option(help="Run without a GPU.")]
Procs = Annotated[
    int | None, typer.Option(min=1, help="Processes on the CPU: 1, or a multiple of the columns (the default).")
]
Precision = Annotated[
    Literal["fp32", "tf32", "bf16"] | None,
    typer.Option(help="Precision of products, short for --set engine.precision=...; weights are always fp32."),
]
PrecisionAsked = Annotated[
    Literal["fp32", "tf32", "bf16"] | None,
    typer.Option("--precision", help="Precision of products (default: on the CPU fp32, on a GPU the run's own)."),
]
Data = Annotated[Path | None, typer.Option(help="The prepared data (default: what the run was trained on).")]
Crops = Annotated[Literal["ten", "centre"], typer.Option(help="Views whose predictions are averaged.")]
Split = Annotated[Literal["train", "val", "test"], typer.Option(help="The split whose images are used.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe; may be repeated.")
]


def changes(settings: list[str] | None, precision: str | None) -> tuple[str, ...]:
    """What `--set` and `--precision` change in a recipe."""
    return (*(settings or ()), *([f"engine.precision={precision}"] if precision else ()))
