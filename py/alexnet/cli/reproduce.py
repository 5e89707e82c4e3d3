"""`alexctl reproduce`: the paper by one command."""

import json as json_lines
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alexnet.cli.options import Device, Json, Procs, Threads
from alexnet.console import say

if TYPE_CHECKING:
    from alexnet.experiments.jobs import Plan
    from alexnet.experiments.lab import Lab


def reproduce(
    items: Annotated[
        list[str] | None, typer.Argument(metavar="ITEM", help="What to reproduce (default: all; see --list).")
    ] = None,
    scale: Annotated[
        Literal["quick", "full"], typer.Option(help="Small nets in minutes, or the paper's own in days.")
    ] = "quick",
    seeds: Annotated[int | None, typer.Option(min=1, help="Runs of each net (default: the item's own).")] = None,
    out: Annotated[Path, typer.Option(help="The folder for runs, numbers and the page.")] = Path("reproduction"),
    list_: Annotated[bool, typer.Option("--list", help="Only list the items, and the data they lack.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only estimate runs, time and disk, by a short measurement.")
    ] = False,
    imagenet: Annotated[Path | None, typer.Option(help="ILSVRC: its images, or prepared data.")] = None,
    cifar: Annotated[Path | None, typer.Option(help="CIFAR-10: its images, or prepared data.")] = None,
    photographs: Annotated[Path | None, typer.Option(help="Photographs: a folder per class, or prepared data.")] = None,
    gpus: Annotated[str | None, typer.Option(help="GPUs to run on, such as 0,1: one training each.")] = None,
    device: Device = None,
    procs: Procs = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Train and measure what the paper claims, and write one page: its numbers beside ours."""
    from alexnet.experiments import page
    from alexnet.experiments.claims import chosen, claims
    from alexnet.experiments.lab import Lab
    from alexnet.experiments.reproduce import plans, reproduce
    from alexnet.experiments.sources import Sources
    from alexnet.machine.hardware import Wanted

    given = {"imagenet": imagenet, "cifar": cifar, "photographs": photographs}
    sources = Sources(out, {kind: path for kind, path in given.items() if path is not None})
    lab = Lab(out, Wanted(gpus=gpus, device=device, procs=procs, threads=threads))
    wanted = plans(chosen(items or [], claims()), scale, sources, seeds)
    if list_:
        _list(wanted, json)
    elif dry_run:
        _dry_run(lab, wanted, json)
    else:
        report = reproduce(lab, wanted, scale, claims())
        for line in page.lines(report):
            print(line, flush=True)
        say(f"written: {out / 'report.html'}")
        if json:
            print(json_lines.dumps(report), flush=True)


def _list(wanted: "Sequence[Plan]", json: bool) -> None:
    from alexnet.experiments import survey

    told = survey.items(wanted)
    for each in told:
        lacking = f"  lacks {'; '.join(each.missing)}" if each.missing else ""
        print(f"{each.section:4} {each.name:22} {', '.join(each.systems):9} {each.title}{lacking}", flush=True)
    if json:
        print(json_lines.dumps(survey.as_json(told)), flush=True)


def _dry_run(lab: "Lab", wanted: "Sequence[Plan]", json: bool) -> None:
    from alexnet.experiments import survey

    told = survey.costs(lab, wanted)
    for each in told:
        lacking = f"  lacks {'; '.join(each.missing)}" if each.missing else ""
        print(f"{each.name:22} {each.runs:4} runs {each.seconds / 60:8.1f} min {each.disk / 1e6:9.0f} MB{lacking}")
    minutes, disk = sum(each.seconds for each in told) / 60, sum(each.disk for each in told) / 1e6
    print(f"{'all':22} {sum(each.runs for each in told):4} runs {minutes:8.1f} min {disk:9.0f} MB", flush=True)
    say("training and testing, estimated by alexctl bench; baselines and pictures come on top")
    if json:
        print(json_lines.dumps(survey.as_json(told)), flush=True)
