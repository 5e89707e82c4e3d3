#!/usr/bin/env python3
"""The processor time of a training step by many threads against that by one: whether they do more work, and what it is.

    python scripts/bench/threads.py [--recipe alexnet] [--batch 128] [--threads 32] [--repeat 5]

One process owns both columns; steps alternate. Prints, for each operation that takes a millisecond, the medians of its
processor time in ms and their ratio, then those of the whole step in a line of JSON.
"""

import argparse
import json
import statistics
from collections import Counter
from collections.abc import Callable
from time import process_time
from typing import Any

from machine import machine

from alexnet.bench.steps import Workload
from alexnet.engines.cpu import CpuEngine
from alexnet.links.solo import SoloLink
from alexnet.recipe import load


class TimedOperations:
    """The engine's operations; `spent` is the processor time of each."""

    def __init__(self, operations: Any) -> None:
        self._operations, self.spent = operations, Counter[str]()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._operations, name)

        def timed(*arrays: Any, **scalars: Any) -> Any:
            before = process_time()
            result = operation(*arrays, **scalars)
            self.spent[name] += process_time() - before
            return result

        return timed


def medians(steps: list[dict[str, float]]) -> dict[str, float]:
    """Of each operation, in ms."""
    return {name: 1000 * statistics.median(step[name] for step in steps) for name in steps[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="alexnet", help="default: alexnet")
    parser.add_argument("--batch", type=int, default=128, help="default: 128")
    parser.add_argument("--threads", type=int, default=32, help="of the many (default: 32)")
    parser.add_argument("--repeat", type=int, default=5, help="default: 5")
    options = parser.parse_args()

    recipe = load(options.recipe)
    turns: list[tuple[TimedOperations, Workload, list[dict[str, float]]]] = []
    for threads in (1, options.threads):
        engine = CpuEngine(threads)
        engine.ops = timed = TimedOperations(engine.ops)  # type: ignore[assignment]
        turns.append((timed, Workload(recipe, 1000, options.batch, engine, SoloLink(recipe.net.columns)), []))
    for turn in range(options.repeat + 1):
        for timed, work, steps in turns:
            timed.spent.clear()
            before = process_time()
            work.step()
            timed.spent["step"] = process_time() - before
            if turn:  # the first warms up
                steps.append(dict(timed.spent))
    one, many = (medians(steps) for *_, steps in turns)
    for name in sorted(one, key=one.__getitem__):
        if one[name] >= 1:
            print(f"{name:24} {one[name]:8.1f} {many[name]:8.1f} {many[name] / one[name]:6.2f}")
    step = {"one_ms": one["step"], "many_ms": many["step"], "ratio": many["step"] / one["step"]}
    print(json.dumps({**machine(), **step}))


if __name__ == "__main__":
    main()
