#!/usr/bin/env python3
"""How long a training step takes on 1 to 512 GPUs, by a model of few parameters; and what it says of the CPU's runs.

    python scripts/scaling_model.py [--write]

prints the tables of docs/scaling.md; with --write they go into that file. It takes a GPU's work from the table of
engine/cuda/README.md, the CPU's from docs/scaling.json. Nothing is run.
"""

import json
import sys
from dataclasses import dataclass
from math import log2
from pathlib import Path

from cuda_counts import BATCH, written

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "scaling.md"
RUNS = ROOT / "docs" / "scaling.json"
COLUMNS, CROSSINGS = 2, 10  # of a step, there and back
CROSSED = 2 * 7.9e6 / BATCH  # bytes that a process sends for an image, in bf16: at conv3 and at the FC layers
GRADIENTS = 244e6  # bytes, float32
LAST = 0.001  # the share of conv1's, which come last
NODE = 8  # GPUs that are linked directly
GPUS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


@dataclass(frozen=True)
class Work:
    """Seconds of a step by one process, less what travels: whatever the batch, and for each image; of the latter
    those of the convolutions' backward pass, behind which sums can hide."""

    fixed: float
    image: float
    hides: float = 0.0


@dataclass(frozen=True)
class Links:
    """Bytes a second of a GPU each way, inside a node and between nodes; seconds before the first byte inside, and what
    each doubling of the nodes adds."""

    near: float
    near_latency: float
    far: float
    far_latency: float


# NVLink 4 and one port of 400 Gbit/s a GPU, at 80 % of their names; a collective's start as NCCL's users report it.
# None is measured here.
LINKS = Links(0.8 * 450e9, 15e-6, 0.8 * 50e9, 10e-6)


def gpu_work() -> Work:
    """By the counted bytes and operations of each kernel: what cannot be faster, not what was measured."""
    seconds = {row[0]: 1e-6 * float(row[-1]) for row in written() if "beside" not in row[0]}
    whole = seconds.pop("step")
    fixed = sum(each for name, each in seconds.items() if name.startswith(("`sgd", "`fc_")))
    backward = ("conv_backward", "conv_add", "lrn_backward", "max_pool_backward", "relu_backward")
    hides = sum(each for name, each in seconds.items() if any(kind in name for kind in backward))
    return Work(fixed, (whole - fixed) / BATCH, hides / BATCH)


def step(work: Work, links: Links, gpus: int, batch: int) -> float:
    """Seconds: pairs of GPUs own a net, replicas of the pair share the batch."""
    columns = min(gpus, COLUMNS)
    replicas = gpus // columns
    images = batch / replicas
    own = (work.fixed + work.image * images) / columns
    if columns > 1:
        own += CROSSINGS * links.near_latency + CROSSED * images / links.near
    if replicas == 1:
        return own
    nodes = max(1, gpus // NODE)
    rate = (
        links.near if nodes == 1 else min(links.near, links.far * NODE / columns)
    )  # a column's GPUs use all their ports
    sums = 2 * (1 - 1 / replicas) * GRADIENTS / columns / rate
    starts = links.near_latency + links.far_latency * log2(nodes)
    hidden = min(work.hides * images / columns, (1 - LAST) * sums + 7 * starts)
    return own + sums + 8 * starts - hidden


def gpu_rows() -> list[list[str]]:
    """Images a second, and the share of what as many single GPUs would do at their best, for two ways to grow."""
    work, rows = gpu_work(), []
    alone = BATCH / step(work, LINKS, 1, BATCH)
    for gpus in GPUS:
        cells = [str(gpus)]
        for batch in (BATCH, BATCH * max(1, gpus // COLUMNS)):
            if batch * COLUMNS < gpus:
                cells += ["-", "-", "-"]
                continue
            seconds = step(work, LINKS, gpus, batch)
            rate = batch / seconds
            cells += [f"{1e3 * seconds:.2f}", f"{rate:,.0f}", f"{rate / alone / gpus:.0%}"]
        rows.append(cells)
    return rows


def cpu_work() -> Work:
    """Of one process, from its steps of 128 and 256 images: whatever the batch, and for each image."""
    by_batch = json.loads(RUNS.read_text(encoding="utf-8"))["axes"]["batch"]
    small, large = (count / by_batch[str(count)]["training"] for count in (BATCH, 2 * BATCH))
    image = (large - small) / BATCH
    return Work(small - BATCH * image, image)


# What the CPU's exchanges take: each value passes through memory so often, at the rate of docs/performance.md.
MEMORY, PASSES = 32e9, 6


def cpu_step(processes: int) -> float:
    """Seconds of a step of 128 images on the same cores: replicas pay for their own weights, and nothing is hidden."""
    work, replicas = cpu_work(), max(1, processes // COLUMNS)
    crossed = 2 * CROSSED * BATCH * COLUMNS if processes > 1 else 0.0  # in float32, of both columns
    summed = GRADIENTS * replicas + 2 * GRADIENTS / PASSES * replicas if replicas > 1 else 0.0  # and kept before
    return work.fixed * replicas + work.image * BATCH + PASSES * (crossed + summed) / MEMORY


def cpu_rows() -> list[list[str]]:
    """Processes, seconds predicted and measured, their ratio."""
    measured = json.loads(RUNS.read_text(encoding="utf-8"))["axes"]["processes"]
    rows = []
    for processes, found in measured.items():
        told, seen = cpu_step(int(processes)), BATCH / found["training"]
        rows.append([processes, f"{told:.2f}", f"{seen:.2f}", f"{told / seen:.0%}"])
    return rows


TABLES = {
    "gpus": (["GPUs", "ms", "images/s", "of the best", "ms ", "images/s ", "of the best "], gpu_rows),
    "cpu": (["processes", "s by the model", "s measured", ""], cpu_rows),
}


def page(text: str) -> str:
    """The page with its tables as they are now."""
    for name, (head, rows) in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        lines = [head, ["---:"] * len(head), *rows()]
        table = "".join(f"| {' | '.join(cell.strip() for cell in line)} |\n" for line in lines)
        before, rest = text.split(begin)
        text = before + begin + table + end + rest.split(end)[1]
    return text


def main() -> None:
    made = page(PAGE.read_text(encoding="utf-8"))
    print(made, end="")
    if "--write" in sys.argv[1:]:
        PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
