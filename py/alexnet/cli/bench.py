"""`alexctl bench`: how fast a net is on this machine."""

import json
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from alexnet.bench.steps import Report, Workload, gflops, measure
from alexnet.console import say, terminal
from alexnet.engines import Precision
from alexnet.machine import launch, world
from alexnet.machine.hardware import Hardware, assemble, choose
from alexnet.recipe import load
from alexnet.recipe.table import plain


@dataclass(frozen=True)
class Request:
    """The options of `alexctl bench` as they were given; None where one was not."""

    recipe: str
    gpus: str | None
    device: str | None
    precision: Precision
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
    hardware = choose(
        request.gpus, request.device, request.procs, request.threads, request.precision, recipe.net.columns
    )
    if hardware.processes > 1 and world.started() == 1:
        code = launch.run(hardware.processes, _arguments(request, hardware))
        if code:
            raise SystemExit(code)
        return
    engine, link = assemble(hardware, recipe.net.columns, fast=recipe.engine.fast)
    batch = request.batch or recipe.train.batch
    report = measure(Workload(recipe, request.classes, batch, engine, link), request.repeat, link.each)
    link.close()
    if link.rank:
        return
    processes = f"{report.procs} processes of {hardware.threads} threads"
    _show(report, f"{request.recipe}, batch {batch}: {processes} on {hardware.name}")
    if request.as_json:
        print(json.dumps(report.as_json(hardware.device, hardware.threads)), flush=True)


def _arguments(request: Request, hardware: Hardware) -> list[str]:
    """The command line again, for each process."""
    options = {
        "--recipe": request.recipe,
        "--batch": request.batch,
        "--classes": request.classes,
        "--repeat": request.repeat,
    }
    arguments = ["bench", *hardware.arguments()]
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
    found = report.as_json("", 0)
    say(
        f"training {found['images_per_s']:.1f}, forward {found['forward_images_per_s']:.1f}, "
        f"ten-crop {found['ten_crop_images_per_s']:.2f} images/s; peak memory {report.peak_rss_mb:.0f} MB"
    )
    if report.ceilings:
        say(f"at best {report.ceilings.gflops:.0f} GFLOP/s and {report.ceilings.bytes_per_s / 1e9:.0f} GB/s")


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
