"""`alexctl prep` and `show`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from alexnet.console import say
from alexnet.errors import Failure


def prep(
    source: Annotated[
        Path,
        typer.Argument(help="The folder with the images: ImageNet's tars, a folder per class, ... (docs/data.md)."),
    ] = Path("images"),
    out: Annotated[Path, typer.Option(help="Where the shards go.")] = Path("data"),
    size: Annotated[int, typer.Option(min=1, help="Side of the prepared images, in pixels.")] = 256,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one per core).")] = None,
    limit: Annotated[
        str | None,
        typer.Option(metavar="N", help="At most this many images per class and split, or train=N,val=N,test=N."),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep only the classes in this file: one WNID or name per line.")
    ] = None,
    class_order: Annotated[
        Literal["wnid", "devkit"] | None,
        typer.Option(help="Number ImageNet's classes by sorted WNID (default) or by the devkit's ID."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            help="ilsvrc2012, ilsvrc2010, kaggle, parquet, synsets, tiny, cifar10, idx or folders (default: found out)."
        ),
    ] = None,
    val_share: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of train that becomes val where there is none (default: 0.1; synsets: 0)."
        ),
    ] = None,
    test_share: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of train that becomes test where there is none (default: 0; synsets: 0.5)."
        ),
    ] = None,
    check_md5: Annotated[
        bool, typer.Option("--check-md5", help="First compare the official files with their published MD5.")
    ] = False,
    max_skipped: Annotated[
        float, typer.Option(min=0, max=1, help="The largest share of unreadable images to accept.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The seed of the splits and the order.")] = 0,
    part: Annotated[
        str | None, typer.Option(metavar="I/N", help="Make this part of N; a call without --part joins them.")
    ] = None,
) -> None:
    """Turn images into shards of 256x256 with their mean and colour axes."""
    from data_prep import Part, PrepOptions, prepare

    if not source.exists():
        raise Failure(f"{source}: no such folder; give your images: `alexctl prep IMAGES --out {out}`")
    options = PrepOptions(
        size=size,
        workers=workers,
        seed=seed,
        val_share=val_share,
        test_share=test_share,
        limit=_limit(limit),
        form=form,
        class_order=class_order,
        classes=classes,
        check_md5=check_md5,
        max_skipped=max_skipped,
        part=Part.parse(part) if part else None,
    )
    prepared = prepare(source, out, options)
    counts = ", ".join(f"{count} {split}" for split, count in prepared.images.items() if count)
    if part:
        say(f"{out}: part {part} is there, {sum(prepared.images.values())} images, {prepared.skipped} skipped")
        say("when all parts are there, the same command without --part joins them")
        return
    skipped = f"; {prepared.skipped} skipped, listed in {out / 'skipped.jsonl'}" if prepared.skipped else ""
    reused = "" if prepared.made else " (nothing was left to make)"
    say(f"{out}: {prepared.classes} classes, images: {counts}{skipped}{reused}")


def _limit(text: str | None) -> int | dict[str, int] | None:
    """`N`, or `train=N,val=N,test=N`."""
    if text is None:
        return None
    try:
        if "=" not in text:
            return int(text)
        parts = (part.split("=") for part in text.split(","))
        limits = {split: int(count) for split, count in parts}
    except ValueError:
        raise Failure(f"--limit {text}: write a number, or limits such as train=1000,val=50,test=100") from None
    return limits


def show(
    data: Annotated[Path, typer.Argument(help="The prepared data.")] = Path("data"),
    out: Annotated[Path | None, typer.Option(help="The picture (default: show.png beside the shards).")] = None,
) -> None:
    """Draw prepared data: samples with their labels, the mean image, the colour axes."""
    from alexnet.data.shards import Dataset
    from alexnet.figures.dataset import draw

    picture = out or data / "show.png"
    draw(Dataset(data), picture)
    say(f"drawn: {picture}")
