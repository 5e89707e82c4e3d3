"""`alexctl`: the commands and their options. What a command needs is imported when it runs, so help is fast."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from alexnet.cli.baseline import baseline
from alexnet.errors import STOPPED, Failure, reason

app = typer.Typer(
    help="Prepare images, train the two-column AlexNet of 2012, and measure it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Commands that go on, when they are run again, where a signal ended them.
KEEPING = {"prep", "train"}

Json = Annotated[bool, typer.Option("--json", help="One JSON object as the last line of standard output.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads a process (default: the cores, shared out).")]
Gpu = Annotated[str | None, typer.Option("--gpus", help="The GPU to run on, such as 0.")]
Device = Annotated[Literal["cpu"] | None, typer.Option(help="Run without a GPU.")]
Precision = Annotated[
    Literal["fp32", "tf32", "bf16"], typer.Option(help="Of the products on GPUs; weights are always fp32.")
]
Data = Annotated[Path | None, typer.Option(help="The prepared data (default: what the run was trained on).")]


@app.command()
def prep(
    source: Annotated[
        Path, typer.Argument(help="The folder with the images: ImageNet's tars, a folder a class, ... (docs/data.md).")
    ] = Path("images"),
    out: Annotated[Path, typer.Option(help="Where the shards go.")] = Path("data"),
    size: Annotated[int, typer.Option(min=1, help="Side of the prepared images.")] = 256,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one a core).")] = None,
    limit: Annotated[
        str | None,
        typer.Option(metavar="N", help="At most so many images a class and split; or train=N,val=N,test=N."),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep only these classes: a WNID or a name a line.")
    ] = None,
    class_order: Annotated[
        Literal["wnid", "devkit"] | None,
        typer.Option(help="Number ImageNet's classes by sorted WNID (default) or by the devkit's ID."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            help="ilsvrc2012, ilsvrc2010, kaggle, parquet, synsets, cifar10, idx or folders (default: found out)."
        ),
    ] = None,
    val_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of train to be val where there is none (default: 0.1; synsets: 0)."),
    ] = None,
    test_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of train to be test where there is none (default: 0; synsets: 0.5)."),
    ] = None,
    check_md5: Annotated[
        bool, typer.Option("--check-md5", help="First compare the official files with their published MD5.")
    ] = False,
    max_skipped: Annotated[
        float, typer.Option(min=0, max=1, help="Share of unreadable images that is an error.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the splits and the order.")] = 0,
    part: Annotated[
        str | None, typer.Option(metavar="I/N", help="Make this part of N; a call without --part joins them.")
    ] = None,
) -> None:
    """Turn images into shards of 256x256 with their mean and colour axes."""
    from alexnet.cli.data import prepare

    prepare(
        source,
        out,
        size=size,
        workers=workers,
        limit=limit,
        classes=classes,
        class_order=class_order,
        form=form,
        val_share=val_share,
        test_share=test_share,
        check_md5=check_md5,
        max_skipped=max_skipped,
        seed=seed,
        part=part,
    )


@app.command()
def train(
    data: Annotated[Path | None, typer.Argument(help="The prepared data (default: data).")] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe's name or a TOML file (default: alexnet).")] = None,
    gpus: Annotated[str | None, typer.Option(help="GPUs to train on, such as 0,1: a column each.")] = None,
    device: Device = None,
    procs: Annotated[int | None, typer.Option(min=1, help="Processes: 1, or a multiple of the columns.")] = None,
    threads: Threads = None,
    precision: Precision = "fp32",
    out: Annotated[Path | None, typer.Option(help="The run's directory (default: a new one in runs).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Stop after so many epochs.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Stop after so many steps.")] = None,
    init: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE[:LAYERS]", help="First weights from safetensors; LAYERS such as conv*,fc6."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Of every random number.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe.")] = None,
) -> None:
    """Train a net in one process a column."""
    from alexnet.machine.world import leave
    from alexnet.train.start import Request, train

    request = Request(
        data,
        recipe,
        gpus,
        device,
        procs,
        threads,
        precision,
        out,
        resume,
        epochs,
        steps,
        tuple(init or ()),
        seed,
        tuple(set_ or ()),
    )
    if not train(request):
        leave(STOPPED)


@app.command()
def control(
    run: Annotated[Path, typer.Argument(help="The run that is training.")],
    set_: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Such as train.rate=0.001.")],
) -> None:
    """Change a run by hand while it trains; the change is logged."""
    from alexnet.train.start import change

    change(run, set_)


@app.command("eval")
def evaluate(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="[RUN]...", help="Default: the newest run.")] = None,
    data: Data = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "val",
    crops: Annotated[Literal["ten", "centre"], typer.Option(help="Views whose predictions are averaged.")] = "ten",
    gpus: Gpu = None,
    device: Device = None,
    precision: Precision = "fp32",
    threads: Threads = None,
    json: Json = False,
    probs: Annotated[Path | None, typer.Option(help="Write the probabilities to this .npz file.")] = None,
) -> None:
    """Top-1 and top-5 error; the predictions of several runs are averaged."""
    from alexnet.cli.testing import evaluate
    from alexnet.machine.hardware import alone

    evaluate(runs or [], data, split, crops, alone(gpus, device, threads, precision), json, probs)


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="A trained run.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    gpus: Gpu = None,
    device: Device = None,
    precision: Precision = "fp32",
    threads: Threads = None,
    json: Json = False,
) -> None:
    """The five most probable classes of images."""
    from alexnet.cli.testing import predict
    from alexnet.machine.hardware import alone

    predict(run, images, alone(gpus, device, threads, precision), json)


@app.command()
def figures(
    run: Annotated[Path | None, typer.Argument(help="A trained run (default: the newest).")] = None,
    data: Data = None,
    split: Annotated[str, typer.Option(help="Whose images are shown.")] = "val",
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures (default: the run's).")] = None,
    threads: Threads = None,
) -> None:
    """Draw the paper's Figures 3 and 4, and how the training went."""
    from alexnet.cli.testing import figures

    figures(run, data, split, out, threads)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A trained run.")],
    file: Annotated[Path, typer.Argument(help="A .safetensors or .onnx file.")],
) -> None:
    """Write a run's weights for other programs."""
    from alexnet.cli.testing import export

    export(run, file)


@app.command()
def bench(
    recipe: Annotated[str, typer.Option(help="A recipe's name or a TOML file.")] = "alexnet",
    gpus: Annotated[str | None, typer.Option(help="GPUs to run on, such as 0,1: a column each.")] = None,
    device: Device = None,
    precision: Precision = "fp32",
    procs: Annotated[int | None, typer.Option(min=1, help="Processes (default: one a column).")] = None,
    threads: Threads = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images a step (default: the recipe's).")] = None,
    classes: Annotated[int, typer.Option(min=2, help="Classes of the made-up data.")] = 1000,
    repeat: Annotated[int, typer.Option(min=1, help="Repetitions, of which the median counts.")] = 5,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe.")] = None,
    json: Json = False,
) -> None:
    """How fast this machine trains and evaluates a net, layer by layer, on made-up images."""
    from alexnet.cli.bench import Request, bench

    bench(Request(recipe, gpus, device, precision, procs, threads, batch, classes, repeat, tuple(set_ or ()), json))


@app.command()
def doctor(
    data: Annotated[Path | None, typer.Argument(help="Verify this prepared data instead.")] = None,
    json: Json = False,
) -> None:
    """What this machine has for training; or whether prepared data is whole."""
    from alexnet.cli.doctor import check, doctor

    if data is None:
        doctor(json)
    else:
        check(data, json)


@app.command()
def show(
    data: Annotated[Path, typer.Argument(help="The prepared data.")] = Path("data"),
    out: Annotated[Path | None, typer.Option(help="The picture (default: show.png beside the shards).")] = None,
) -> None:
    """Draw prepared data: samples with their labels, the mean image, the colour axes."""
    from alexnet.cli.data import show

    show(data, out)


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe's name or a TOML file.")] = None,
    classes: Annotated[int, typer.Option(min=2, help="Classes of the data.")] = 1000,
) -> None:
    """The recipes, or one net as a table of its layers."""
    from alexnet.cli.data import show_recipes

    show_recipes(name, classes)


app.command()(baseline)


def main() -> None:
    """Run a command; every failure ends in one line and an exit code."""
    from alexnet.machine import launch, signals, world

    signals.hear(signals.raise_signalled)
    launch.up()
    try:
        app(standalone_mode=True)
    except Failure as failure:
        world.end(f"alexctl: {failure}")
    except signals.Signalled as signalled:
        if KEEPING.intersection(sys.argv[1:2]):
            world.end("alexctl: stopped; what was done is kept, run the same command again to go on", STOPPED)
        world.end("alexctl: stopped; it keeps nothing half done, run it again from the start", 128 + signalled.number)
    except MemoryError:
        world.end("alexctl: not enough memory; use a smaller batch (--set train.batch=...) or a smaller recipe")
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        world.end(f"alexctl: {error.filename or 'system'}: {error.strerror or error}")
    except Exception as error:
        world.end(f"alexctl: {_bug(error)}")


def _bug(error: Exception) -> str:
    """What nobody foresaw, in one line that helps to mend it."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "unknown place"
    return f"a mistake of this program at {where}: {type(error).__name__}: {reason(error)}; please report it"
