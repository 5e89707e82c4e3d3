"""`alexctl train` and `control`."""

import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alexnet.cli.options import Changes, Device, Gpus, Precision, Procs, Threads, changes
from alexnet.console import Advance, progress, say
from alexnet.errors import STOPPED, Failure

if TYPE_CHECKING:
    from alexnet.train.start import Result


def train(
    data: Annotated[Path | None, typer.Argument(help="The prepared data (default: data).")] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe's name or a TOML file (default: alexnet).")] = None,
    gpus: Gpus = None,
    device: Device = None,
    procs: Procs = None,
    threads: Threads = None,
    precision: Precision = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder (default: a new one in runs).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Train for so many epochs, not the recipe's.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Train for so many steps, whatever the epochs.")] = None,
    init: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE[:LAYERS]", help="First weights from safetensors; LAYERS such as conv*,fc6."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="The seed of every random number.")] = None,
    set_: Changes = None,
) -> None:
    """Train a net, in one process per column."""
    from alexnet.machine import launch, world
    from alexnet.machine.hardware import Wanted, asked
    from alexnet.train.start import Options, hardware_for, settle, train_here

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
        settled = hardware.arguments() + (["--out", str(plan.run)] if plan.run else [])
        raise typer.Exit(launch.run(hardware.processes, [*sys.argv[1:], *settled]))
    with Watching() as watch:
        result = train_here(options, plan, hardware, [watch])
        watch.ended(result)
    if not result.finished:
        world.leave(STOPPED)


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
        processes = f"{row['processes']} processes of {row['threads']} threads"
        say(f"run {row['run']}: {processes} on {row['device']}, seed {row['seed']}")
        self._batch = row["batch"]
        shown = progress("train", row["last_step"] * self._batch, done=row["step"] * self._batch)
        self._advance = self._shown.enter_context(shown)

    def ended(self, result: "Result") -> None:
        """The last line, of the process that was told of the rows."""
        self._shown.close()
        if self._advance:
            say(f"{'trained' if result.finished else 'stopped; run again with --resume'}: {result.checkpoint}")


def control(
    run: Annotated[Path, typer.Argument(help="The run that is training.")],
    set_: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Such as train.rate=0.001.")],
) -> None:
    """Change a run by hand while it trains; the change is logged."""
    from alexnet.recipe import changes, load
    from alexnet.runs import control

    trained = run / "recipe.toml"
    if not trained.is_file():
        raise Failure(f"{run}: no such run; give the folder that `alexctl train` named")
    control.send(run, load(trained), changes(set_))
    say(f"{run}: asked for {', '.join(set_)}; see its log.jsonl")
