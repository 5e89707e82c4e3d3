"""`alexctl features`, `neighbours` and `codes`: what a net makes of images, and which are alike by it."""

import json as json_lines
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alexnet.cli.options import Data, Device, Gpu, Json, PrecisionAsked, Run, Split, Threads
from alexnet.console import progress, say

if TYPE_CHECKING:
    from alexnet.retrieval.comparison import Row


def features(
    run: Run,
    out: Annotated[Path, typer.Option(help="The file of features, such as features.h5.")],
    data: Data = None,
    split: Split = "train",
    layer: Annotated[str | None, typer.Option(help="The layer, such as relu7 (default: the last hidden one).")] = None,
    gpus: Gpu = None,
    device: Device = None,
    precision: PrecisionAsked = None,
    threads: Threads = None,
) -> None:
    """Write a layer's values for every image of a split; run again, it goes on where it stopped."""
    from alexnet.machine.hardware import Wanted
    from alexnet.predict.run import open_run
    from alexnet.retrieval.extract import extract

    wanted = Wanted(gpus=gpus, device=device, threads=threads)
    opened = open_run(run, wanted=wanted, precision=precision, data=data)
    dataset = opened.trained.dataset(data)
    with progress("features", len(dataset.split(split))) as advance:
        chosen = extract(opened, dataset, split, out, layer, advance)
    say(f"written: {out}, {chosen} of {len(dataset.split(split))} images")


def neighbours(
    rows: Annotated[Path, typer.Argument(metavar="FEATURES", help="The features that are searched.")],
    queries: Annotated[Path, typer.Argument(metavar="QUERIES", help="The features whose neighbours are sought.")],
    count: Annotated[int, typer.Option("--count", "-k", min=1, help="How many neighbours of each query.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Write indices, distances and labels to this .npz file.")] = None,
    gpus: Gpu = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Find the nearest images by Euclidean distance, exactly (section 6.1), and how many share the query's class."""
    import numpy as np

    from alexnet.files import whole_file
    from alexnet.machine import hardware
    from alexnet.retrieval.features import Features, singles
    from alexnet.retrieval.neighbours import nearest, on_cpu

    searched, asked = Features(rows), Features(queries)
    product = hardware.product(hardware.Wanted(gpus=gpus, device=device)) or on_cpu
    with progress("neighbours", searched.count, "rows") as advance:
        found = nearest(searched, singles(asked.all()), count, advance, product)
    alike = float((searched.labels[found.indices] == asked.labels[:, None]).mean())
    if out is not None:
        with whole_file(out) as beside, beside.open("wb") as file:
            labels = searched.labels[found.indices]
            np.savez(file, indices=found.indices, distances=found.distances, labels=labels, query_labels=asked.labels)
    print(
        f"{asked.count} queries, {count} nearest of {searched.count}: {alike:.1%} share the query's class", flush=True
    )
    if json:
        print(json_lines.dumps({"queries": asked.count, "neighbours": count, "precision": alike}), flush=True)


def codes(
    rows: Annotated[Path, typer.Argument(metavar="FEATURES", help="The features that are coded and searched.")],
    queries: Annotated[Path, typer.Argument(metavar="QUERIES", help="The features whose neighbours are sought.")],
    out: Annotated[Path, typer.Option(help="Folder for the codes and the picture.")] = Path("codes"),
    data: Annotated[
        Path | None,
        typer.Option(help="The prepared data of these images: codes their pixels too, and draws a picture."),
    ] = None,
    bits: Annotated[
        list[int] | None, typer.Option(min=1, help="A code's length; may be repeated (default: 256, 128, 64 and 28).")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs for each autoencoder (default: as many as show it 200,000 rows).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The seed of every random number.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one per core).")] = None,
    json: Json = False,
) -> None:
    """Learn short binary codes by an autoencoder (section 6.1), and measure how well they find what is alike.

    Run again, it goes on where it stopped, and makes no code twice.
    """
    from alexnet.data.shards import Dataset
    from alexnet.figures.codes import draw
    from alexnet.machine.cores import cores
    from alexnet.retrieval.autoencoder import Training
    from alexnet.retrieval.comparison import Plan, measure

    dataset = None if data is None else Dataset(data)
    lengths = tuple(dict.fromkeys(bits or (256, 128, 64, 28)))
    training = None if epochs is None else Training(epochs)
    plan = Plan(rows, queries, out, dataset, lengths, training, seed)
    compared = measure(plan, workers or cores())
    lines = [line for kind in compared.values() for line in kind.rows]
    _print_table(lines)
    if dataset is not None:
        draw(plan, dataset, compared, out / "codes.png")
        say(f"drawn: {out / 'codes.png'}")
    if json:
        print(json_lines.dumps({"codes": [line.as_json() for line in lines]}), flush=True)


def _print_table(lines: "list[Row]") -> None:
    """A line for each code; what was not measured is left empty."""
    recalled = list(dict.fromkeys(depth for line in lines for depth in line.recall))
    precise = list(dict.fromkeys(depth for line in lines for depth in line.precision))
    heads = [*(f"R@{depth}" for depth in recalled), *(f"P@{depth}" for depth in precise)]
    print(f"{'of':9}{'method':12}{'bits':>5}{'bytes':>7}{'ms':>9}" + "".join(f"{each:>8}" for each in [*heads, "mAP"]))
    for line in lines:
        shares = [line.recall.get(depth) for depth in recalled] + [line.precision.get(depth) for depth in precise]
        shown = "".join(
            f"{'' if each is None else f'{each:.1%}':>8}" for each in [*shares, line.mean_average_precision]
        )
        print(f"{line.of:9}{line.method:12}{line.bits or '':>5}{line.bytes:>7}{line.ms:9.3f}{shown}")
    for line in lines:
        if line.lookup_ms is not None:
            print(
                f"{line.of} by {line.method}, {line.bits} bits as an address: {line.lookup_ms:.3f} ms for the "
                f"{line.looked_up:.1f} images within 2 bits"
            )
