#!/usr/bin/env python3
"""How fast photographs become a dataset: this program, a Pillow loop, OpenCV and PyTorch, on the same files.

    python scripts/bench/prep.py FOLDER [--workers N] [--copies 4] [--repeat 3] [--out docs/prep]

FOLDER has a folder of JPEG files a class, which is taken `--copies` times over, by links. All programs have as many
processes and bring each image's shorter side to 256, cut the centre out and write it to the disk; only this one also
shuffles, checks sums and takes the statistics. "in memory" is this program's decoder and resampler alone, on bytes that
are there already, with nothing read or written: what the rest has to keep up with. The programs take turns, and the
median of each counts: images a second, and processor time an image, which others on the machine disturb less. Each
program is also run on a tenth of the files, and that is taken off, so that starting does not count. Prints a Markdown
table; --out PREFIX also writes PREFIX.md and PREFIX.json. OpenCV (opencv-python-headless) and torch are left out where
they are not installed.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from machine import machine
from numpy.typing import NDArray
from PIL import Image

from alexnet.data.decode import square
from alexnet.machine.cores import threads
from data_prep import PrepOptions, prepare
from data_prep.plan import FEWEST_IN_A_SHARD

SIZE = 256
Pixels = NDArray[np.uint8]


def pillow(path: str) -> Pixels:
    """As it is mostly written: the shorter side to 256, bicubic, then the centre."""
    image = Image.open(path).convert("RGB")
    scale = SIZE / min(image.size)
    width, height = (max(SIZE, round(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    return np.asarray(image.crop((left, top, left + SIZE, top + SIZE)))


def opencv(path: str) -> Pixels:
    """OpenCV's decoder, and the resampling it has against aliasing: the mean over areas."""
    import cv2

    cv2.setNumThreads(1)
    image = cv2.imread(path, cv2.IMREAD_COLOR_RGB)
    height, width = image.shape[:2]
    scale = SIZE / min(height, width)
    size = (max(SIZE, round(width * scale)), max(SIZE, round(height * scale)))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - SIZE) // 2, (size[1] - SIZE) // 2
    return np.asarray(image[top : top + SIZE, left : left + SIZE])


def pytorch(path: str) -> Pixels:
    """Pillow's decoder and PyTorch's resampling of bytes, bicubic with antialiasing: what torchvision does."""
    import torch

    torch.set_num_threads(1)
    pixels = np.asarray(Image.open(path).convert("RGB"))
    scale = SIZE / min(pixels.shape[:2])
    height, width = (max(SIZE, round(side * scale)) for side in pixels.shape[:2])
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
    image = torch.nn.functional.interpolate(image, (height, width), mode="bicubic", antialias=True)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    cut: Pixels = image[0, :, top : top + SIZE, left : left + SIZE].permute(1, 2, 0).numpy()
    return cut


def fill(convert: Callable[[str], Pixels], paths: Sequence[str], places: range, file: str) -> None:
    """In a process: convert some of the files into their rows of one array on the disk."""
    rows = np.lib.format.open_memmap(file, "r+")
    for place in places:
        rows[place] = convert(paths[place])


class Spent(NamedTuple):
    """Seconds on the clock, and of all processors."""

    wall: float
    processor: float


Program = Callable[[list[str], Path, int], Spent]


def timed(run: Callable[[list[str], Path, int], None]) -> Program:
    """A program with what it and its processes spend."""

    def now() -> Spent:
        uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return Spent(time.perf_counter(), sum(use.ru_utime + use.ru_stime for use in uses))

    def program(paths: list[str], folder: Path, workers: int) -> Spent:
        before = now()
        run(paths, folder, workers)
        after = now()
        return Spent(after.wall - before.wall, after.processor - before.processor)

    return program


def loop(convert: Callable[[str], Pixels]) -> Program:
    """A program: `workers` processes that fill one array, which is on the disk at the end."""

    def run(paths: list[str], folder: Path, workers: int) -> None:
        file = folder / "images.npy"
        np.lib.format.open_memmap(file, "w+", np.uint8, (len(paths), SIZE, SIZE, 3))
        each(workers, fill, [(convert, paths, range(n, len(paths), workers), str(file)) for n in range(workers)])
        with file.open("rb+") as written:
            os.fsync(written.fileno())

    return timed(run)


def each(workers: int, work: Callable[..., Any], arguments: list[Any]) -> list[Any]:
    """Do `work` in so many new processes."""
    with get_context("spawn").Pool(workers) as pool:
        return pool.starmap(work, arguments, chunksize=1)


def ours(paths: list[str], folder: Path, workers: int) -> None:
    prepare(Path(paths[0]).parents[1], folder / "data", PrepOptions(size=SIZE, workers=workers, val_share=0))


def decode(paths: Sequence[str]) -> Spent:
    """In a process: bring files that lie in its memory to their pixels."""
    contents = [Path(path).read_bytes() for path in paths]
    out = np.empty((SIZE, SIZE, 3), np.uint8)
    begun, used = time.perf_counter(), time.process_time()
    for content in contents:
        square(content, out)
    return Spent(time.perf_counter() - begun, time.process_time() - used)


def in_memory(paths: list[str], folder: Path, workers: int) -> Spent:
    del folder
    spent = each(workers, decode, [(paths[n::workers],) for n in range(workers)])
    return Spent(statistics.mean(one.wall for one in spent), sum(one.processor for one in spent))


PROGRAMS: dict[str, Program] = {
    "in memory": in_memory,
    "alexctl prep": timed(ours),
    "Pillow loop": loop(pillow),
    "OpenCV loop": loop(opencv),
    "PyTorch loop": loop(pytorch),
}
NEEDS = {"OpenCV loop": "cv2", "PyTorch loop": "torch"}


def link(files: Sequence[Path], root: Path, copies: int) -> list[str]:
    """The photographs so many times over, in a folder a class; their paths."""
    for number, file in enumerate(files):
        folder = root / file.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        for copy in range(copies):
            (folder / f"{number}-{copy}.jpg").symlink_to(file.resolve())
    return sorted(str(path) for path in root.rglob("*.jpg"))


def measure(source: Path, workers: int, copies: int, repeat: int) -> dict[str, Any]:
    """What each program spends on an image, every repetition."""
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    few = files[::10]
    if len({file.parent for file in few}) < 2:
        sys.exit(f"{source}: too few folders of JPEG files; give a folder with a folder a class")
    if len(few) * copies <= FEWEST_IN_A_SHARD * (workers - 1):  # else a tenth starts fewer processes than the whole
        sys.exit(f"{source}: {len(files)} photographs are too few; take more --copies of them")
    programs = {name: run for name, run in PROGRAMS.items() if find_spec(NEEDS.get(name, "PIL"))}
    spent: dict[str, list[Spent]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory(prefix="prep-bench-") as temporary:
        sets = [link(chosen, Path(temporary) / name, copies) for name, chosen in (("few", few), ("all", files))]
        more = len(sets[1]) - len(sets[0])
        for turn in range(repeat):
            for name, run in programs.items():
                small, whole = (fresh(run, paths, Path(temporary) / "out", workers) for paths in sets)
                spent[name].append(
                    Spent(*((after - before) / more for before, after in zip(small, whole, strict=True)))
                )
                print(
                    f"{turn + 1}/{repeat} {name}: {1 / spent[name][-1].wall:.0f} images/s", file=sys.stderr, flush=True
                )
        kib = statistics.mean(file.stat().st_size for file in files) / 1024
        with Image.open(files[0]) as first:
            shape = f"{first.width}x{first.height}"
    about = {"images": more, "first": shape, "mean KiB": round(kib), "workers": workers}
    rates = {name: [1 / turn.wall for turn in turns] for name, turns in spent.items()}
    works = {name: [1e3 * turn.processor for turn in turns] for name, turns in spent.items()}
    return {"machine": machine(), "photographs": about, "images_per_s": rates, "processor_ms": works}


def fresh(run: Program, paths: list[str], folder: Path, workers: int) -> Spent:
    """Run a program with an empty folder to write to."""
    folder.mkdir()
    spent = run(paths, folder, workers)
    shutil.rmtree(folder)
    return spent


def table(found: dict[str, Any]) -> str:
    """The medians, and how far each keeps up with what lies in memory, turn by turn."""
    about, rates, works = found["photographs"], found["images_per_s"], found["processor_ms"]
    lines = [
        f"{about['images']} photographs ({about['first']}, {about['mean KiB']} KiB), {about['workers']} processes, "
        f"{found['machine']['cpu']}:",
        "",
        "| program | images/s | of in memory | processor ms an image | of in memory |",
        "|---|---|---|---|---|",
    ]
    for name in rates:
        by_clock = ratio(rates[name], rates["in memory"])
        by_work = ratio(works["in memory"], works[name])
        cells = (statistics.median(rates[name]), by_clock, statistics.median(works[name]), by_work)
        lines.append("| {} | {:.0f} | {:.2f} | {:.2f} | {:.2f} |".format(name, *cells))
    return "\n".join(lines) + "\n"


def ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    """The median of one by the other."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=threads())
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = measure(given.folder, given.workers, given.copies, given.repeat)
    text = table(found)
    print(text, end="")
    if given.out:
        given.out.with_suffix(".md").write_text(text, encoding="utf-8")
        given.out.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
