"""`alexctl import` and `export`: weights from other programs, and for them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from alexnet.cli.options import Run
from alexnet.console import say
from alexnet.errors import Failure


def import_(
    file: Annotated[
        Path,
        typer.Argument(help="torchvision's AlexNet (.safetensors, .pth), or bvlc_alexnet of the ONNX zoo (.onnx)."),
    ],
    out: Annotated[Path, typer.Argument(help="The new run's folder.")],
    classes: Annotated[
        Path | None,
        typer.Option(help="The names of the classes: prepared data, or a file with one class per line."),
    ] = None,
) -> None:
    """Make a run from a net that another program trained."""
    from alexnet.data.names import classes_in, numbered
    from alexnet.net.foreign import read
    from alexnet.runs.adopt import adopt

    found = read(file)
    named = numbered(found.classes) if classes is None else classes_in(classes)
    if len(named) != found.classes:
        raise Failure(f"{classes}: names {len(named)} classes, and the net in {file} has {found.classes}")
    adopt(out, found.recipe, found.weights, found.mean_image(), named, name=found.name, source=file)
    say(f"{out}: {found.classes} classes, recipe {found.name}")


def export(
    run: Run,
    file: Annotated[Path, typer.Argument(help="The file to write: .safetensors or .onnx.")],
    form: Annotated[
        Literal["torchvision", "caffe"] | None,
        typer.Option("--as", help="As torchvision names its weights, or as the ONNX zoo's bvlc_alexnet takes images."),
    ] = None,
) -> None:
    """Write a run's weights for other programs."""
    from alexnet.net import foreign
    from alexnet.net.weights import export_onnx, save_safetensors
    from alexnet.runs import directory

    trained = directory.load_trained(directory.resolve(run))
    weights, mean, classes = trained.checkpoint.weights, trained.inputs.mean, len(trained.inputs.classes)
    if form is not None:
        foreign.write(file, form, trained.recipe, classes, weights, mean)
        say(f"written: {file}")
        return
    writers = {
        ".safetensors": lambda: save_safetensors(file, weights),
        ".onnx": lambda: export_onnx(file, trained.recipe, classes, weights, mean),
    }
    if file.suffix not in writers:
        raise Failure(f"{file}: end its name with {' or '.join(writers)}")
    writers[file.suffix]()
    say(f"written: {file}")
