"""`alexctl serve`: a page to play with."""

from pathlib import Path
from typing import Annotated

import typer

from alexnet.cli.options import Data, Device, Gpu, NewestRun, Precision, Threads
from alexnet.errors import Failure


def serve(
    run: NewestRun = None,
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine, whoever reaches it may ask.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    features: Annotated[
        Path | None,
        typer.Option(help="What `alexctl features` made of the training images: those nearest to a picture are shown."),
    ] = None,
    data: Data = None,
    gpus: Gpu = None,
    device: Device = None,
    precision: Precision = None,
    threads: Threads = None,
) -> None:
    """Show a page that says of any picture what the net says, crop by crop and map by map, until Ctrl-C."""
    from alexnet.machine.hardware import Wanted
    from alexnet.machine.signals import heard
    from alexnet.pages.answers import Answers
    from alexnet.predict.run import open_run
    from alexnet.retrieval.alike import Alike

    try:
        from alexnet.pages.web import Server
    except ImportError as error:
        raise Failure("the page needs two packages: pip install starlette uvicorn") from error
    opened = open_run(run, wanted=Wanted(gpus=gpus, device=device, threads=threads), precision=precision, data=data)
    alike = None if features is None else Alike(opened, features, data)
    about = f"{opened.path.resolve().name}: {len(opened.classes)} classes, step {opened.step}"
    server = Server(Answers(opened, alike), about, host, port)
    print(server.address, flush=True)
    with heard(lambda number: server.end()):
        server.run()
