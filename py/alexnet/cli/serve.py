"""`alexctl serve`: a page to play with."""

from pathlib import Path
from typing import Annotated

import typer

from alexnet.cli.options import Data, Device, Gpu, NewestRun, PrecisionAsked, Threads
from alexnet.errors import Failure


def serve(
    run: NewestRun = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; with another address, anyone who reaches it may use the page.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    features: Annotated[
        Path | None,
        typer.Option(help="A file by `alexctl features` of the training images: shows those nearest to a picture."),
    ] = None,
    data: Data = None,
    gpus: Gpu = None,
    device: Device = None,
    precision: PrecisionAsked = None,
    threads: Threads = None,
) -> None:
    """Serve a page that shows what the net makes of any picture, crop by crop and map by map, until Ctrl-C."""
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
