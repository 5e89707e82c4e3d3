#!/usr/bin/env python3
"""How cost grows: images/s by batch, by width of the net, by threads, by processes.

    python scripts/bench/scaling.py [--recipe alexnet] [--threads N] [--seconds 20] [--out docs/scaling]

Writes PREFIX.json, and PREFIX.png from it; --draw draws again from the JSON. Every point is a median; it ends after
--repeat repetitions, or sooner when its --seconds are over.
"""

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from machine import machine

from alexnet.bench.steps import Workload
from alexnet.engines.cpu import CpuEngine
from alexnet.links.solo import SoloLink
from alexnet.recipe import Recipe, load
from alexnet.recipe.spec import Conv, Fc

CLASSES = 1000
BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
WIDTHS = [Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(1)]
PROCESSES = [1, 2, 4]
Point = dict[str, float]


def point(options: argparse.Namespace, recipe: Recipe, batch: int, threads: int) -> Point:
    """Images/s of training and of forward passes, in this process."""
    work = Workload(recipe, CLASSES, batch, CpuEngine(threads), SoloLink(recipe.net.columns))
    found = {"training": batch / seconds(options, work.step), "forward": batch / seconds(options, work.forward)}
    del work
    gc.collect()  # before the next point takes its own memory
    return found


def seconds(options: argparse.Namespace, act: Callable[[], None]) -> float:
    """The median, after one repetition that warms up."""
    act()
    times: list[float] = []
    while len(times) < options.repeat and (not times or sum(times) < options.seconds):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def narrowed(recipe: Recipe, width: Fraction) -> Recipe:
    """The same net with this share of its kernels and units; the classes stay."""
    changes = {}
    for layer in recipe.net.layers:
        if isinstance(layer, Conv):
            changes[f"net.{layer.name}.kernels"] = int(layer.kernels * width)
        elif isinstance(layer, Fc) and isinstance(layer.units, int):
            changes[f"net.{layer.name}.units"] = int(layer.units * width)
    return recipe.with_changes(changes)


def launched(options: argparse.Namespace, processes: int) -> Point:
    """The same threads in all, shared out over processes, one at least for each."""
    threads = max(1, options.threads // processes)
    command = [sys.executable, "-m", "alexnet", "bench", "--recipe", options.recipe, "--json"]
    for name, value in (("classes", CLASSES), ("procs", processes), ("threads", threads), ("repeat", options.repeat)):
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return {"training": found["images_per_s"], "forward": found["forward_images_per_s"]}


def measured(options: argparse.Namespace) -> dict[str, dict[str, Point]]:
    """{axis: {value: images/s}} for the axes asked for."""
    recipe = load(options.recipe)
    batch, threads = recipe.train.batch, options.threads
    axes: dict[str, dict[str, Callable[[], Point]]] = {
        "batch": {str(n): partial(point, options, recipe, n, threads) for n in BATCHES},
        "width": {str(w): partial(point, options, narrowed(recipe, w), batch, threads) for w in WIDTHS},
        "threads": {str(t): partial(point, options, recipe, batch, t) for t in range(1, threads + 1)},
        "processes": {str(p): partial(launched, options, p) for p in PROCESSES},
    }
    found: dict[str, dict[str, Point]] = {}
    for axis in options.axes:
        found[axis] = {}
        for value, act in axes[axis].items():
            found[axis][value] = act()
            rates = ", ".join(f"{kind} {rate:.1f} images/s" for kind, rate in found[axis][value].items())
            print(f"{axis} {value}: {rates}", file=sys.stderr, flush=True)
    return found


def draw(found: dict[str, Any], path: Path) -> None:
    """A panel an axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    axes = found["axes"]
    down = -(-len(axes) // 2)
    figure, panels = pyplot.subplots(down, 2, figsize=(8.0, 3.2 * down), squeeze=False, layout="constrained")
    for panel, (axis, points) in zip(panels.flat, axes.items(), strict=False):
        places = range(len(points))
        for kind, marker in (("forward", "s"), ("training", "o")):
            panel.plot(places, [each[kind] for each in points.values()], marker=marker, label=kind)
        panel.set_xticks(places, points.keys(), fontsize="small")
        panel.set_xlabel(axis)
        panel.set_ylabel("images/s")
        panel.set_ylim(bottom=0)
        panel.grid(axis="y", alpha=0.3)
    panels[0][0].legend(frameon=False)
    for panel in panels.flat[len(axes) :]:
        panel.set_visible(False)
    facts = found["machine"]
    figure.suptitle(
        f"{found['recipe']}, batch {found['batch']} where not said, {found['threads']} threads in all, {facts['cpu']}",
        fontsize="small",
    )
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="alexnet", help="default: alexnet")
    parser.add_argument("--threads", type=int, default=int(machine()["cores"]), help="in all (default: the cores)")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions at most (default: 5)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for a point's repetitions (default: 20)")
    names = ["batch", "width", "threads", "processes"]
    parser.add_argument("--axes", nargs="+", choices=names, default=names, help="default: all")
    parser.add_argument("--out", type=Path, default=Path("docs/scaling"), help="default: docs/scaling")
    parser.add_argument("--draw", action="store_true", help="draw PREFIX.png from PREFIX.json, measure nothing")
    options = parser.parse_args()
    kept = Path(f"{options.out}.json")
    if options.draw:
        found = json.loads(kept.read_text(encoding="utf-8"))
    else:
        facts = machine()
        batch = load(options.recipe).train.batch
        found = {"machine": facts, "recipe": options.recipe, "batch": batch, "threads": options.threads}
        found["axes"] = measured(options)
        kept.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    draw(found, Path(f"{options.out}.png"))


if __name__ == "__main__":
    main()
