#!/usr/bin/env python3
"""What each kernel of a training step moves and multiplies, counted without a GPU, beside what it must.

    python scripts/cuda_counts.py [--write]

prints the table of engine/cuda/README.md for recipe `alexnet`, batch 128, bf16, one process; with --write it goes into
that file. Needs a C++ compiler; takes some seconds and 1.1 GB.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "py"), str(ROOT / "tests" / "cuda")]

from counting import Cost, count_step  # noqa: E402

from alexnet.recipe import load  # noqa: E402

README = ROOT / "engine" / "cuda" / "README.md"
BEGIN, END = "<!-- scripts/cuda_counts.py --write -->\n", "<!-- end -->\n"
BATCH, CLASSES = 128, 1000

# An H100's rates, of which a kernel cannot have more: dense bf16 by mma.sync, about two thirds of the 989 TFLOP/s that
# wgmma has; what threads get of the second-level cache; 85 % of its memory's 3.35 TB/s. None is measured here.
OPERATIONS, CACHE, MEMORY = 650e12, 5.5e12, 0.85 * 3.35e12

HEAD = ["kernel", "launches", "GFLOP", "of them needed", "MB read", "MB written", "MB needed", "bound by", "us"]


def bound(cost: Cost) -> tuple[str, float]:
    """What a kernel waits for, and the seconds that this takes at least."""
    far = cost.floor or cost.moved  # a kernel that only helps another moves what need not be moved
    times = {
        "operations": 2 * cost.products / OPERATIONS,
        "cache": cost.moved / CACHE,
        "memory": far / MEMORY,
    }
    return max(times.items(), key=lambda each: each[1])


def table(costs: dict[tuple[str, str], Cost]) -> list[list[str]]:
    """Rows of HEAD, the convolutions' kernels with their layer before them, and a last one of sums."""
    rows, total, seconds = [], Cost(), 0.0
    for (layer, kernel), cost in costs.items():
        name = f"{layer} `{kernel}`".strip() + (", cuBLAS" if kernel.startswith("fc_") else "")
        why, least = bound(cost)
        rows.append([name, *_numbers(cost), why, f"{1e6 * least:.0f}"])
        if kernel == "augment":  # it runs beside the step
            rows[-1][0] += ", beside"
            continue
        total = Cost(*(getattr(total, each) + getattr(cost, each) for each in vars(total)))
        seconds += least
    return [*rows, ["step", *_numbers(total), "", f"{1e6 * seconds:.0f}"]]


def _numbers(cost: Cost) -> list[str]:
    flops = [f"{2e-9 * each:.1f}" if each else "-" for each in (cost.products, cost.needed)]
    bytes_ = [f"{1e-6 * each:.1f}" if each else "-" for each in (cost.read, cost.written, cost.floor)]
    return [str(cost.launches), *flops, *bytes_]


def text(rows: list[list[str]]) -> str:
    """Markdown."""
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def written() -> list[list[str]]:
    """The rows that the README holds."""
    body = README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    return [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in body.splitlines()[2:]]


def counted() -> list[list[str]]:
    """The rows as they are now."""
    return table(count_step(load("alexnet"), CLASSES, BATCH))


def main() -> None:
    made = text(counted())
    print(made, end="")
    if "--write" in sys.argv[1:]:
        before, rest = README.read_text(encoding="utf-8").split(BEGIN)
        README.write_text(before + BEGIN + made + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
