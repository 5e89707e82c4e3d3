"""`alexctl features` and `neighbours`: what a net makes of images, and which are alike by it."""

import json as json_lines
from pathlib import Path
from typing import Annotated

import typer

from alexnet.cli.options import Data, Device, Gpu, Json, Precision, Split, Threads
from alexnet.console import progress, say


def features(
    run: Annotated[Path, typer.Argument(help="A trained run.")],
    out: Annotated[Path, typer.Option(help="The file of features, such as features.h5.")],
    data: Data = None,
    split: Split = "train",
    layer: Annotated[str | None, typer.Option(help="Such as relu7 (default: the last hidden layer).")] = None,
    gpus: Gpu = None,
    device: Device = None,
    precision: Precision = None,
    threads: Threads = None,
) -> None:
    """Write a layer's values for every image of a split; run again, it goes on where it was stopped."""
    from alexnet.data.shards import Dataset
    from alexnet.machine.hardware import Wanted
    from alexnet.predict.run import open_run
    from alexnet.retrieval.extract import extract

    wanted = Wanted(gpus=gpus, device=device, threads=threads)
    opened = open_run(run, wanted=wanted, precision=precision, data=data)
    dataset = Dataset(data or opened.trained.data)
    with progress("features", len(dataset.split(split))) as advance:
        chosen = extract(opened, dataset, split, out, layer, advance)
    say(f"written: {out}, {chosen} of {len(dataset.split(split))} images")


def neighbours(
    rows: Annotated[Path, typer.Argument(metavar="FEATURES", help="The features that are searched.")],
    queries: Annotated[Path, typer.Argument(metavar="QUERIES", help="The features whose neighbours are sought.")],
    count: Annotated[int, typer.Option("--count", "-k", min=1, help="Neighbours of each.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Write indices, distances and labels to this .npz file.")] = None,
    json: Json = False,
) -> None:
    """Find the nearest images by Euclidean distance, exactly (section 6.1), and how many share the query's class."""
    import numpy as np

    from alexnet.files import whole_file
    from alexnet.retrieval.features import Features, singles
    from alexnet.retrieval.neighbours import nearest

    searched, asked = Features(rows), Features(queries)
    with progress("neighbours", searched.count, "rows") as advance:
        found = nearest(searched, singles(asked.all()), count, advance)
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
