"""`alexctl bench`: how fast a net is on this machine."""

import json
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from alexnet import devices, launch
from alexnet.bench import Gather, Report, Workload, gflops, measure
from alexnet.console import say, terminal
from alexnet.drawing import plain
from alexnet.engines.cpu import CpuEngine
from alexnet.links import Link, place
from alexnet.links.solo import SoloLink
from alexnet.recipe import load

DEVICE = "cpu"


@dataclass(frozen=True)
class Request:
    """The options of `alexctl bench` as they were given; None where one was not."""

    recipe: str
    procs: int | None
    threads: int | None
    batch: int | None
    classes: int
    repeat: int
    changes: tuple[str, ...]
    as_json: bool


def bench(request: Request) -> None:
    """Measure in as many processes as asked; the first one tells."""
    recipe = load(request.recipe, request.changes)
    processes = request.procs or recipe.net.columns
    place(recipe.net.columns, processes, 0)
    if processes > 1 and not launch.inside():
        code = launch.run(processes, _arguments(request, processes))
        if code:
            raise SystemExit(code)
        return
    link, gather = _link(recipe.net.columns)
    processes = link.place.replicas * link.place.shares
    threads = request.threads or max(1, devices.cores() // processes)
    batch = request.batch or recipe.train.batch
    engine = CpuEngine(threads, fast=recipe.engine.fast)
    report = measure(Workload(recipe, request.classes, batch, engine, link), request.repeat, gather)
    if link.rank:
        return
    _show(report, f"{request.recipe}, batch {batch}: {processes} processes of {threads} threads on the CPU")
    if request.as_json:
        print(json.dumps(report.as_json(DEVICE, threads)), flush=True)


def _link(columns: int) -> tuple[Link, Gather]:
    if not launch.inside():
        return SoloLink(columns), lambda value: [value]
    from alexnet.links.mpi import MpiLink

    link = MpiLink(columns)
    return link, link.world.allgather


def _arguments(request: Request, processes: int) -> list[str]:
    """The command line again, for each process."""
    options = {
        "--recipe": request.recipe,
        "--procs": processes,
        "--threads": request.threads,
        "--batch": request.batch,
        "--classes": request.classes,
        "--repeat": request.repeat,
    }
    arguments = ["bench"]
    for name, value in options.items():
        arguments += [name, str(value)] if value is not None else []
    for change in request.changes:
        arguments += ["--set", change]
    return arguments + (["--json"] if request.as_json else [])


def _show(report: Report, title: str) -> None:
    """The table, coloured where a person watches, and the whole net's rates."""
    table = _table(report, title)
    width = terminal()
    if width is None:
        say(plain(table).rstrip())
    else:
        Console(stderr=True, force_terminal=True, width=width).print(table)
    found = report.as_json(DEVICE, 0)
    say(
        f"training {found['images_per_s']:.1f}, forward {found['forward_images_per_s']:.1f}, "
        f"ten-crop {found['ten_crop_images_per_s']:.2f} images/s; peak memory {report.peak_rss_mb:.0f} MB"
    )


def _table(report: Report, title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    for heading in ("forward ms", "GFLOP/s", "done", "backward ms", "GFLOP/s", "done", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in report.layers:
        table.add_row(
            each.name,
            _ms(each.forward_s),
            _rate(each.forward_work, each.forward_s),
            _rate(each.forward_done, each.forward_s),
            _ms(each.backward_s),
            _rate(each.backward_work, each.backward_s),
            _rate(each.backward_done, each.backward_s),
            f"{(each.forward_s + each.backward_s) / report.step_s:.1%}",
            style="bold" if each.forward_work else "",
        )
    table.add_section()
    for name, seconds in (("gradient sums", report.sums_s), ("update", report.update_s)):
        table.add_row(name, "", "", "", _ms(seconds), "", "", f"{seconds / report.step_s:.1%}")
    direct = sum(each.forward_work + each.backward_work for each in report.layers)
    done = sum(each.forward_done + each.backward_done for each in report.layers)
    rates = _rate(direct, report.step_s), _rate(done, report.step_s)
    table.add_row("step", _ms(report.step_s), *rates, "", "", "", "100.0%", style="bold")
    return table


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f}"


def _rate(multiply_adds: int, seconds: float) -> str:
    return f"{gflops(multiply_adds, seconds):.1f}" if multiply_adds else ""
