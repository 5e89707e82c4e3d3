"""`alexctl`: the commands. What a command needs is imported when it runs, so help is fast."""

import os
import sys
from typing import Annotated

import typer

from alexnet import __version__
from alexnet.cli import baseline, bench, data, doctor, recipes, report, trained, training
from alexnet.console import break_off
from alexnet.errors import STOPPED, Failure, unforeseen


def _show_version(asked: bool) -> None:
    if asked:
        print(f"alexctl {__version__}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def face(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Prepare images, train the two-column AlexNet of 2012, and measure it."""


# Commands that go on, when they are run again, where a signal ended them.
KEEPING = {"prep", "train"}

app.command()(data.prep)
app.command()(training.train)
app.command()(training.control)
app.command()(training.runs)
app.command("eval")(trained.evaluate)
app.command()(trained.predict)
app.command()(trained.figures)
app.command("report")(report.report)
app.command()(trained.export)
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)
app.command()(data.show)
app.command("recipes")(recipes.recipes)
app.command("baseline")(baseline.baseline)


def main() -> None:
    """Run a command; every failure ends in one line and an exit code."""
    from alexnet.machine import launch, signals, world

    if world.started() > 1:
        signals.hold()
    launch.up()
    try:
        with signals.heard(_stop):
            app(standalone_mode=True)
    except Failure as failure:
        world.end(f"alexctl: {failure}")
    except MemoryError:
        world.end("alexctl: not enough memory; use a smaller batch (--set train.batch=...) or a smaller recipe")
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        world.end(f"alexctl: {error.filename or 'system'}: {error.strerror or error}")
    except Exception as error:
        world.end(f"alexctl: {unforeseen(error)}")


def _stop(number: int) -> None:
    """End at once, for a signal that nothing else was arranged for: what lies on disk is whole at any instant."""
    from alexnet.machine import world

    line, code = "it keeps nothing half done, run it again from the start", 128 + number
    if KEEPING.intersection(sys.argv[1:2]):
        line, code = "what was done is kept, run the same command again to go on", STOPPED
    break_off()
    world.end(f"alexctl: stopped; {line}", code, os._exit)
