"""`alexctl bench`: how fast a net is on this machine."""

import json as json_lines
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from alexnet.cli import complete, tables
from alexnet.cli.options import Changes, Device, Gpus, Json, Precision, Procs, Threads, changes
from alexnet.console import counted

if TYPE_CHECKING:
    from rich.table import Table

    from alexnet.bench.report import Report


def bench(
    recipe: Annotated[
        str, typer.Option(help="A recipe's name or a TOML file.", autocompletion=complete.recipes)
    ] = "alexnet",
    gpus: Gpus = None,
    device: Device = None,
    precision: Precision = None,
    procs: Procs = None,
    threads: Threads = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images per step (default: the recipe's).")] = None,
    classes: Annotated[int, typer.Option(min=2, help="Classes of the made-up data.")] = 1000,
    repeat: Annotated[int, typer.Option(min=1, help="Repetitions, of which the median counts.")] = 5,
    set_: Changes = None,
    json: Json = False,
) -> None:
    """Measure how fast this machine trains and evaluates a net, layer by layer, on made-up images."""
    from alexnet.bench.steps import Workload, measure
    from alexnet.machine import launch, world
    from alexnet.machine.hardware import Wanted, assemble, choose
    from alexnet.recipe import load

    chosen = load(recipe, changes(set_, precision))
    columns, engine_spec = chosen.net.columns, chosen.engine
    wanted = Wanted(gpus=gpus, device=device, procs=procs, threads=threads)
    hardware = choose(wanted, columns, engine_spec.precision)
    if hardware.processes > 1 and world.started() == 1:
        raise typer.Exit(launch.run(hardware.processes, [*sys.argv[1:], *hardware.arguments(wanted)]))
    engine, link = assemble(hardware, columns, fast=engine_spec.fast)
    images = batch or chosen.train.batch
    report = measure(Workload(chosen, classes, images, engine, link), repeat, link.each)
    link.close()
    if link.rank:
        return
    processes, own = counted(report.procs, "process", "processes"), counted(hardware.threads, "thread")
    _show(report, f"{recipe}, batch {images}: {processes} of {own} on {hardware.name}")
    if json:
        print(json_lines.dumps(report.as_json(hardware.device, hardware.threads)), flush=True)


def _show(report: "Report", title: str) -> None:
    """The table and the whole net's rates."""
    tables.show(_table(report, title))
    found = report.as_json("", 0)
    print(
        f"training {found['images_per_s']:.1f}, forward {found['forward_images_per_s']:.1f}, "
        f"ten-crop {found['ten_crop_images_per_s']:.2f} images/s; one image {1e3 * report.one_image_s:.1f} ms; "
        f"peak memory {report.peak_rss_mb:.0f} MB"
    )
    if report.kernels:
        print(_kernels(report))
    if report.ceilings:
        print(f"at best {report.ceilings.gflops:.0f} GFLOP/s and {report.ceilings.bytes_per_s / 1e9:.0f} GB/s")


def _table(report: "Report", title: str) -> "Table":
    from rich import box
    from rich.table import Table

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


def _kernels(report: "Report") -> str:
    """The kernels of a step, the longest first."""
    lines = [f"{'kernel':44} launches     us  floor  share"]
    for each in sorted(report.kernels, key=lambda each: -each.seconds):
        name, times = f"{each.layer} {each.kernel}".strip(), (1e6 * each.seconds, 1e6 * each.floor_s)
        lines.append(f"{name:44} {each.launches:8} {times[0]:6.0f} {times[1]:6.0f} {each.seconds / report.step_s:6.1%}")
    return "\n".join(lines)


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f}"


def _rate(multiply_adds: int, seconds: float) -> str:
    from alexnet.bench.report import gflops

    return f"{gflops(multiply_adds, seconds):.1f}" if multiply_adds else ""
