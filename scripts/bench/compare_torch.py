#!/usr/bin/env python3
"""This program and PyTorch, the same net on the same CPU in one run: training, evaluation, latency, memory.

    python scripts/bench/compare_torch.py [--batch 128] [--threads N] [--repeat 5] [--out docs/compare]

Needs torch (pip install torch) and, for torch.compile, a C++ compiler. Each program lives in a process of its own, so
that its memory is its own; they take turns, one repetition each, and the median counts. Before anything is timed they
must agree on the outputs for the same weights and images. Prints a Markdown table; --out PREFIX also writes
PREFIX.md and PREFIX.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CLASSES, SIZE, CROP, CHECKED = 1000, 256, 224, 4
SINGLES = 10  # forward passes of one image a repetition
PROGRAMS = {"ours": "alexctl", "eager": "PyTorch eager", "compiled": "PyTorch compiled"}
ACTIONS = {
    "step": "training step, images/s",
    "forward": "forward, images/s",
    "ten_crop": "ten-crop, images/s",
    "single": "one image forward, ms",
}
PEAK = "peak memory in training, MB"


def drawn(name: str, shape: tuple[int, ...]) -> Floats:
    """The same values for both programs: weights N(0, sqrt(2 / fan in)), images N(0, 1), biases 0."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    scale = np.sqrt(2 / np.prod(shape[1:])) if name.endswith("weight") else 1.0
    return generator.standard_normal(shape, np.float32) * np.float32(scale)


class Ours:
    """This program, through the package."""

    def __init__(self, batch: int, threads: int) -> None:
        from alexnet.bench.steps import Workload
        from alexnet.engines.cpu import CpuEngine
        from alexnet.links.solo import SoloLink
        from alexnet.net.layers import Pass
        from alexnet.recipe import load
        from alexnet.recipe.topology import topology

        self._engine, self._pass, self._batch = CpuEngine(threads), Pass, batch
        recipe = load("alexnet", ["train.rate=0.0001"])
        shapes = topology(recipe.net, CLASSES)
        work = Workload(recipe, CLASSES, batch, self._engine, SoloLink(recipe.net.columns))
        work.net.load({name: drawn(name, shape) for name, shape in shapes.weights().items()})
        self._net, self.step, self.forward = work.net, work.step, work.forward
        self.ten_crop, self.single = work.ten_crops, work.one_image

    def probs(self) -> Floats:
        """Class probabilities of the images that both programs are checked on."""
        images = self._engine.maps(self._batch, 3, CROP, CROP)
        self._engine.pack(drawn("images", (CHECKED, 3, CROP, CROP)), images)
        self._net.forward(images, self._pass(CHECKED, CHECKED))
        return self._engine.unpack(self._net.probs, CHECKED)[:, :, 0, 0]


class Torch:
    """The same net in PyTorch, as a user would write it."""

    def __init__(self, batch: int, threads: int, compiled: bool, channels_last: bool) -> None:
        import torch

        torch.set_num_threads(threads)
        self._torch: Any = torch
        self._batch = batch
        model = torch_model()
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(torch.from_numpy(drawn(name, tuple(value.shape))))
        self._form = torch.channels_last if channels_last else torch.contiguous_format
        self._plain = model.to(memory_format=self._form)
        # One program for each batch size: what is compiled for any size is slower.
        self._model: Any = torch.compile(model, dynamic=False) if compiled else model
        weights = [value for name, value in model.named_parameters() if name.endswith("weight")]
        biases = [value for name, value in model.named_parameters() if name.endswith("bias")]
        groups = [{"params": weights, "weight_decay": 0.0005}, {"params": biases, "weight_decay": 0.0}]
        self._optimizer = torch.optim.SGD(groups, lr=0.0001, momentum=0.9)
        self._images = self._tensor(drawn("batch", (batch, 3, CROP, CROP)))
        self._image = self._tensor(drawn("image", (1, 3, CROP, CROP)))
        self._labels = torch.from_numpy(np.random.default_rng(0).integers(CLASSES, size=batch))
        pixels = np.random.default_rng(1).integers(256, size=(batch // gcd(batch, 10), SIZE, SIZE, 3), dtype=np.uint8)
        self._pixels = torch.from_numpy(pixels)
        self._mean = torch.full((3, SIZE, SIZE), 127.5)

    def _tensor(self, values: Floats) -> Any:
        return self._torch.from_numpy(values).to(memory_format=self._form)

    def step(self) -> None:
        self._model.train()
        self._optimizer.zero_grad()
        loss: Any = self._torch.nn.functional.cross_entropy(self._model(self._images), self._labels)
        loss.backward()
        self._optimizer.step()

    def forward(self) -> None:
        self._probs(self._images)

    def ten_crop(self) -> None:
        torch, end, middle = self._torch, SIZE - CROP, (SIZE - CROP) // 2
        images = self._pixels.permute(0, 3, 1, 2).float() - self._mean
        places = [(0, 0), (0, end), (end, 0), (end, end), (middle, middle)]
        five = [images[:, :, y : y + CROP, x : x + CROP] for y, x in places]
        views = torch.stack([*five, *(each.flip(3) for each in five)], 1).flatten(0, 1)
        parts = [self._probs(part.contiguous(memory_format=self._form)) for part in views.split(self._batch)]
        torch.cat(parts).view(len(images), len(places) * 2, CLASSES).mean(1)

    def single(self) -> None:
        self._probs(self._image)

    def probs(self) -> Floats:
        """Class probabilities of the images that both programs are checked on, never compiled."""
        self._plain.eval()
        with self._torch.inference_mode():
            images = self._tensor(drawn("images", (CHECKED, 3, CROP, CROP)))
            found: Floats = self._plain(images).softmax(1).numpy()
        return found

    def _probs(self, images: Any) -> Any:
        self._model.eval()
        with self._torch.inference_mode():
            return self._model(images).softmax(1)


def torch_model() -> Any:
    """AlexNet of the paper: two columns as groups, responses normalised inside each (sections 3.3 to 3.5)."""
    import torch.nn.functional as F
    from torch import nn

    def normalised(x: Any) -> Any:  # PyTorch divides alpha by the size
        return F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)

    class Columns(nn.Module):
        """Responses normalised inside each column."""

        def forward(self, x: Any) -> Any:
            images, maps, height, width = x.shape
            apart = x.reshape(images * 2, maps // 2, height, width)
            return normalised(apart).reshape(images, maps, height, width)

    class AlexNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 96, 11, 4)
            self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
            self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
            self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
            self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
            self.fc6, self.fc7, self.fc8 = nn.Linear(9216, 4096), nn.Linear(4096, 4096), nn.Linear(4096, CLASSES)
            self.columns = Columns()

        def forward(self, x: Any) -> Any:
            x = F.pad(x, (0, 3, 0, 3))  # 224 -> 55: zeros beyond the right and bottom edge
            x = F.max_pool2d(self.columns(F.relu(self.conv1(x), inplace=True)), 3, 2)
            x = F.max_pool2d(self.columns(F.relu(self.conv2(x), inplace=True)), 3, 2)
            x = F.relu(self.conv4(F.relu(self.conv3(x), inplace=True)), inplace=True)
            x = F.max_pool2d(F.relu(self.conv5(x), inplace=True), 3, 2).flatten(1)
            x = F.dropout(F.relu(self.fc6(x), inplace=True), 0.5, self.training)
            x = F.dropout(F.relu(self.fc7(x), inplace=True), 0.5, self.training)
            return self.fc8(x)

    return AlexNet()


def serve(program: str, batch: int, threads: int, channels_last: bool) -> None:
    """A program's process: does what each line of standard input asks, answers with a line of JSON."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    if program == "ours":
        made: Ours | Torch = Ours(batch, threads)
    else:
        made = Torch(batch, threads, program == "compiled", channels_last)
    for line in sys.stdin:
        print(json.dumps(_answer(made, line.strip())), file=answers, flush=True)


def _answer(made: Ours | Torch, asked: str) -> dict[str, Any]:
    from alexnet.bench.steps import peak_rss_mb

    try:
        if asked == "probs":
            return {"probs": made.probs().tolist()}
        if asked == "peak":
            return {"peak": peak_rss_mb()}
        act: Callable[[], None] = getattr(made, asked)
        times = []
        for _ in range(SINGLES if asked == "single" else 1):
            start = time.perf_counter()
            act()
            times.append(time.perf_counter() - start)
        return {"seconds": statistics.median(times)}
    except Exception as error:  # such as torch.compile without a compiler: that program is left out
        return {"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}


class Worker:
    """The other end of `serve`."""

    def __init__(self, program: str, options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--serve", program, "--batch", str(options.batch)]
        command += ["--threads", str(options.threads)] + ["--channels-last"] * options.channels_last
        environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, what: str) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        print(what, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {"failed": "its process ended"}
        return found

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def compare(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """After each action what is known so far: {"seconds": {action: {program: [...]}}, "peak_mb": ..., "failed": ...}"""
    workers = {name: Worker(name, options) for name in PROGRAMS}
    seconds: dict[str, dict[str, list[float]]] = {}
    peaks: dict[str, float] = {}
    failed: dict[str, str] = {}

    def ask(name: str, what: str) -> dict[str, Any]:
        answer = workers[name].ask(what)
        if "failed" in answer:
            failed[name] = f"{what}: {answer['failed']}"
            workers.pop(name).close()
            _tell(f"{PROGRAMS[name]} is left out: {failed[name]}")
        return answer

    agree({name: ask(name, "probs").get("probs") for name in list(workers)})
    for action in options.actions:
        seconds[action] = {name: [] for name in workers}
        for repetition in range(-1, options.repeat):  # the first one warms up, or compiles
            for name in list(workers):
                answer = ask(name, action)
                if "failed" not in answer and repetition >= 0:
                    seconds[action][name].append(answer["seconds"])
            _tell(f"{action} {repetition + 1}/{options.repeat}")
        if action == "step":
            peaks = {name: ask(name, "peak")["peak"] for name in list(workers)}
        yield {"seconds": seconds, "peak_mb": peaks, "failed": failed}
    for worker in workers.values():
        worker.close()


def agree(probs: dict[str, Any]) -> None:
    """Stop where the programs do not compute the same net."""
    arrays = {name: np.array(each) for name, each in probs.items() if each is not None}
    if "ours" not in arrays or len(arrays) < 2:
        sys.exit("compare_torch: nothing to compare: a program did not start, see above")
    for name, found in arrays.items():
        parted = np.abs(found - arrays["ours"]).max() / np.abs(arrays["ours"]).max()
        if not parted < 1e-3:
            sys.exit(f"compare_torch: {PROGRAMS[name]} computes another net: outputs part by {parted:.1e}")


def table(found: dict[str, Any], batch: int) -> str:
    """Markdown: a row an action, a column a program, and how many times faster ours is."""
    programs = [name for name in PROGRAMS if name not in found["failed"]]
    peers = [name for name in programs if name != "ours"]
    titles = [PROGRAMS[name] for name in programs] + [f"against {PROGRAMS[name]}" for name in peers]
    lines = ["| | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(titles)]
    counts = {"step": batch, "forward": batch, "ten_crop": batch // gcd(batch, 10)}
    for action, by_program in found["seconds"].items():
        median = {name: statistics.median(by_program[name]) for name in programs}
        shown = (1e3 * each if action == "single" else counts[action] / each for each in median.values())
        cells = [f"{each:.1f}" if each >= 10 else f"{each:.2f}" for each in shown]
        cells += [f"{median[name] / median['ours']:.2f} x" for name in peers]
        lines.append(f"| {ACTIONS[action]} | " + " | ".join(cells) + " |")
    if found["peak_mb"]:
        peaks = found["peak_mb"]
        cells = [f"{peaks[name]:.0f}" for name in programs] + [f"{peaks['ours'] / peaks[name]:.0%}" for name in peers]
        lines.append(f"| {PEAK} | " + " | ".join(cells) + " |")
    lines += [f"\n{PROGRAMS[name]} is left out: {why}" for name, why in found["failed"].items()]
    return "\n".join(lines)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128, help="images a step and a forward pass (default: 128)")
    parser.add_argument("--threads", type=int, default=int(machine()["cores"]), help="for each (default: the cores)")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions, of which the median counts (default: 5)")
    parser.add_argument("--actions", nargs="+", choices=ACTIONS, default=list(ACTIONS), help="default: all")
    parser.add_argument("--channels-last", action="store_true", help="PyTorch's other layout in memory")
    parser.add_argument("--out", type=Path, help="write PREFIX.md and PREFIX.json")
    parser.add_argument("--serve", choices=PROGRAMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.batch, options.threads, options.channels_last)
        return
    if find_spec("torch") is None:
        sys.exit("compare_torch: there is no PyTorch here; install it with `pip install torch`")
    facts: dict[str, Any] = {**machine(), "torch": metadata.version("torch")}
    facts |= {"batch": options.batch, "threads": options.threads}
    text = ""
    for found in compare(options):
        text = table(found, options.batch) + "\n\n" + ", ".join(f"{name} {value}" for name, value in facts.items())
        if options.out:  # after each action: a run that is cut short keeps what it has
            Path(f"{options.out}.md").write_text(text + "\n", encoding="utf-8")
            Path(f"{options.out}.json").write_text(json.dumps(facts | found, indent=1) + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
