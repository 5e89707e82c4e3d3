"""`alexctl train` and `control`."""

import json as json_lines
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alexnet.cli import complete
from alexnet.cli.options import Changes, Device, Gpus, Json, Precision, Procs, Threads, changes
from alexnet.console import Advance, counted, progress, say
from alexnet.errors import STOPPED, Failure

if TYPE_CHECKING:
    from alexnet.train.trainer import Listener


def train(
    data: Annotated[Path | None, typer.Argument(help="The prepared data (default: data).")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="A recipe's name or a TOML file (default: alexnet).", autocompletion=complete.recipes),
    ] = None,
    gpus: Gpus = None,
    device: Device = None,
    procs: Procs = None,
    threads: Threads = None,
    precision: Precision = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder (default: a new one in runs).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Train for this many epochs instead of the recipe's.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Train for this many steps, whatever the epochs.")] = None,
    init: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[:LAYERS]", help="Initial weights: a safetensors file or a run; LAYERS such as conv*,fc6."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="The seed of every random number.")] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard's files too, into the run's folder.")
    ] = False,
    set_: Changes = None,
) -> None:
    """Train a net, in one process per column."""
    from alexnet.machine import launch, world
    from alexnet.machine.hardware import Wanted, asked
    from alexnet.train.start import Options, hardware_for, settle, train_here

    boards = _boards() if tensorboard else []
    wanted = Wanted(gpus=gpus, device=device, procs=procs, threads=threads)
    if gpus is not None:
        asked(gpus)  # before the data and the recipe are looked at
    options = Options(
        data=data,
        recipe=recipe,
        changes=changes(set_, precision),
        out=out,
        resume=resume,
        epochs=epochs,
        steps=steps,
        init=tuple(init or ()),
        seed=seed,
        wanted=wanted,
    )
    plan = settle(options)
    hardware = hardware_for(options, plan)
    if hardware.processes > 1 and world.started() == 1:
        settled = hardware.arguments(wanted) + (["--out", str(plan.run)] if plan.run and not out else [])
        raise typer.Exit(launch.run(hardware.processes, [*sys.argv[1:], *settled]))
    with Watching() as watch:
        result = train_here(options, plan, hardware, [watch, *boards])
    if not result.finished:
        world.leave(STOPPED)


def _boards() -> "list[Listener]":
    from alexnet.train.board import Board

    return [Board()]


class Watching:
    """A listener that shows a person how a training goes: where it runs, a bar, each validation, its end."""

    def __init__(self) -> None:
        self._shown = ExitStack()
        self._advance: Advance | None = None
        self._batch = 0

    def __enter__(self) -> "Watching":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.close()

    def __call__(self, row: dict[str, Any]) -> None:
        if row.get("event") == "start":
            self._begin(row)
        elif row.get("event") == "end":
            self._shown.close()
            say(f"{'trained' if row['finished'] else 'stopped; run again with --resume'}: {row['checkpoint']}")
        elif row.get("event") == "control":
            refused = f", refused: {row['refused']}" if "refused" in row else ""
            say(f"step {row['step']}: by hand {row['set']}{refused}")
        elif "val_loss" in row:
            errors = f"validation error {row['val_top1_error']:.1%} (top-5 {row['val_top5_error']:.1%})"
            say(f"epoch {row['epoch']:.2f}: {errors}, loss {row['val_loss']:.3f}")
        elif self._advance:
            self._advance(self._batch, f"step {row['step']}, loss {row['loss']:.4f}, rate {row['rate']:.2g}")

    def _begin(self, row: dict[str, Any]) -> None:
        for note in row.get("notes", ()):
            say(note)
        processes = counted(row["processes"], "process", "processes")
        threads = counted(row["threads"], "thread")
        say(f"run {row['run']}: {processes} of {threads} on {row['device']}, seed {row['seed']}")
        self._batch = row["batch"]
        shown = progress("train", row["last_step"] * self._batch, done=row["step"] * self._batch)
        self._advance = self._shown.enter_context(shown)


def control(
    run: Annotated[Path, typer.Argument(help="The run that is training.", autocompletion=complete.runs)],
    set_: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="What to change, such as train.rate=0.001; may be repeated."),
    ],
) -> None:
    """Change a run by hand while it trains; the change is logged."""
    from alexnet.files import held
    from alexnet.recipe import changes, load
    from alexnet.runs import control
    from alexnet.runs.directory import LOCK

    trained = run / "recipe.toml"
    if not trained.is_file():
        raise Failure(f"{run}: no such run; name the folder that `alexctl train` named")
    control.send(run, load(trained), changes(set_))
    when = "see its log.jsonl" if held(run / LOCK) else "it is not training now: the change is made when it is resumed"
    say(f"{run}: asked for {', '.join(set_)}; {when}")


def runs(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the runs.")] = Path("runs"),
    json: Json = False,
) -> None:
    """List the runs: recipe, data, epoch, best validation error, and whether they are training."""
    from alexnet.runs.directory import summaries

    found = summaries(folder)
    if not found:
        raise Failure(f"{folder}: no runs here; train one with `alexctl train DATA`, or name another folder")
    rows = [("run", "recipe", "data", "epoch", "best", "state")]
    for each in found:
        epoch = "" if each.epoch is None else f"{each.epoch:.2f}"
        best = "" if each.best_error is None else f"{each.best_error:.2%}"
        rows.append((each.run.name, each.recipe, Path(each.data).name, epoch, best, each.state))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    if json:
        entries = [asdict(each) | {"run": str(each.run)} for each in found]
        print(json_lines.dumps({"runs": entries}), flush=True)
