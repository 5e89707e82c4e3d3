"""`alexctl`: the commands. What a command needs is imported when it runs, so help is fast."""

import os
import sys
from functools import partial
from typing import Annotated

import typer

from alexnet import __version__
from alexnet.cli import (
    baseline,
    bench,
    data,
    doctor,
    exchange,
    maps,
    predict,
    recipes,
    report,
    reproduce,
    retrieval,
    serve,
    trained,
    training,
)
from alexnet.console import break_off, let_go, settle_streams
from alexnet.errors import STOPPED, Failure, refused, unforeseen


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
KEEPING = {"prep", "train", "features", "codes", "reproduce"}
# Commands whose work several processes share; of the others each does its own.
SHARED = {"train", "bench"}

app.command()(data.prep)
app.command()(training.train)
app.command()(training.control)
app.command()(training.runs)
app.command("eval")(trained.evaluate)
app.command("predict")(predict.predict)
app.command()(trained.figures)
app.command()(maps.maps)
app.command("report")(report.report)
app.command("serve")(serve.serve)
app.command("import")(exchange.import_)
app.command()(exchange.export)
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)
app.command()(data.show)
app.command("recipes")(recipes.recipes)
app.command()(retrieval.features)
app.command()(retrieval.neighbours)
app.command()(retrieval.codes)
app.command("baseline")(baseline.baseline)
app.command("reproduce")(reproduce.reproduce)


def main() -> None:
    """Run a command; every failure ends in one line and an exit code."""
    from alexnet.machine import launch, signals, world

    settle_streams()
    shared = _named(SHARED)
    if shared and world.started() > 1:
        signals.hold()
    launch.up()
    end = partial(world.end, shared=shared)
    try:
        with signals.heard(_stop):
            app(standalone_mode=True)
    except Failure as failure:
        end(f"alexctl: {failure}")
    except MemoryError:
        end("alexctl: not enough memory; use a smaller batch (--set train.batch=...) or a smaller recipe")
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        end(f"alexctl: {refused(error)}")
    except Exception as error:
        end(f"alexctl: {unforeseen(error)}")
    finally:
        let_go()


def _stop(number: int) -> None:
    """End at once, for a signal that nothing else was arranged for: what lies on disk is whole at any instant."""
    from alexnet.machine import world

    line, code = "it keeps nothing half done, run it again from the start", 128 + number
    if _named(KEEPING):
        line, code = "what was done is kept, run the same command again to go on", STOPPED
    break_off()
    world.end(f"alexctl: stopped; {line}", code, shared=_named(SHARED), leave=os._exit)


def _named(commands: set[str]) -> bool:
    """Whether the command line names one of these."""
    return bool(commands.intersection(sys.argv[1:2]))
