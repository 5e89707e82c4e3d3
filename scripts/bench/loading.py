#!/usr/bin/env python3
"""Training from shards against the same steps on a batch that lies in memory: what waiting for data costs.

    python scripts/bench/loading.py DATA [--recipe alexnet] [--batch 128] [--threads N] [--turns 5] [--steps 4]

One process owns both columns. Turns of steps alternate; of each turn from shards the first step, whose batch was made
beforehand, does not count. Prints a line of JSON: medians in images/s, and their ratio.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from machine import machine

from alexnet.bench.steps import Workload
from alexnet.data.shards import Dataset
from alexnet.engines.cpu import CpuEngine
from alexnet.links.solo import SoloLink
from alexnet.recipe import load
from alexnet.train.loader import Loader
from alexnet.train.stream import Stream


def seconds(act: Callable[[], None]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a dataset directory of `alexctl prep`")
    parser.add_argument("--recipe", default="alexnet", help="default: alexnet")
    parser.add_argument("--batch", type=int, default=128, help="default: 128")
    parser.add_argument("--threads", type=int, default=int(machine()["cores"]), help="default: the cores")
    parser.add_argument("--turns", type=int, default=5, help="of each kind (default: 5)")
    parser.add_argument("--steps", type=int, default=4, help="in a turn (default: 4)")
    options = parser.parse_args()

    recipe = load(options.recipe, [f"train.batch={options.batch}", "train.rate=0.0001"])
    data, engine, link = Dataset(options.data), CpuEngine(options.threads), SoloLink(recipe.net.columns)
    work = Workload(recipe, len(data.classes), options.batch, engine, link)
    stream = Stream(len(data.split("train")), options.batch, 0, recipe.data.shuffle)
    memory: list[float] = []
    shards: list[float] = []
    with closing(Loader(engine, data, recipe, stream, link.place, 0)) as loader:

        def from_shards() -> None:
            batch = loader.next()
            work.net.labels[: batch.count] = batch.labels
            work.step(batch.images)
            loader.done(batch)

        for _ in range(options.turns + 1):  # the first turn warms up
            memory += [seconds(work.step) for _ in range(options.steps)]
            shards += [seconds(from_shards) for _ in range(options.steps + 1)][1:]
    counted = slice(options.steps, None)
    rates = {
        name: options.batch / statistics.median(times[counted])
        for name, times in (("memory", memory), ("shards", shards))
    }
    print(json.dumps({**machine(), **rates, "ratio": rates["shards"] / rates["memory"]}))


if __name__ == "__main__":
    main()
