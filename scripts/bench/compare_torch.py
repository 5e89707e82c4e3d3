#!/usr/bin/env python3
"""This program and others, the same net on the same CPU in one run: training, evaluation, latency, memory.

    python scripts/bench/compare_torch.py [--batch 128] [--threads N] [--repeat 5] [--out docs/compare]

PyTorch (pip install torch) in its best mode: eager and compiled (which needs a C++ compiler), in fp32 and with bf16 by
autocast, each action in the faster of the two layouts; and forward alone, from the net that this program exports,
OpenVINO in fp32 and bf16 and ONNX Runtime, where they are installed. Each program lives in a process of its own
(peers.py), so that its memory is its own. They take turns, one repetition each, with a probe of the machine (a matrix
product and a copy) before and after each turn; the median counts, of the turns whose probes came within GOOD of the
best one. Before anything is timed all must agree on the outputs for the same weights and images. Prints a Markdown
table; --out PREFIX also writes PREFIX.md and PREFIX.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from peers import NEEDS, PEERS, needed, serve

OURS, PROBE = "alexctl", "probe"
GOOD = 0.8
ACTIONS = {
    "step": "training step, images/s",
    "forward": "forward, images/s",
    "ten_crop": "ten-crop, images/s",
    "single": "one image forward, ms",
}
PEAK = "peak memory in training, MB"
ROUNDING = {"fp32": 1e-3, "bf16": 0.1}  # of the largest probability, by how a program multiplies


class Worker:
    """The other end of `peers.serve`."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--serve", name, "--batch", str(options.batch)]
        command += ["--threads", str(options.threads)]
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
    """After each action what is known so far.

    {"turns": {action: {program: [{"seconds", "processor", "sgemm", "copy"}]}}, "about": {program: {"peak", "note"}},
    "failed": {program: why}}, where sgemm (GFLOP/s) and copy (GB/s) are the worse of the probes around the turn.
    """
    there = [name for name in PEERS if (package := needed(name)) is None or find_spec(package)]
    workers = {name: Worker(name, options) for name in there}
    probe = Worker(PROBE, options)
    turns: dict[str, dict[str, list[dict[str, float]]]] = {}
    about: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}

    def ask(name: str, what: str) -> dict[str, Any]:
        answer = workers[name].ask(what)
        if "failed" in answer:
            failed[name] = f"{what}: {answer['failed']}"
            workers.pop(name).close()
            _tell(f"{name} is left out: {failed[name]}")
        return answer

    agree({name: ask(name, "probs").get("probs") for name in list(workers)})
    before = probe.ask("probe")
    for action in options.actions:
        turns[action] = {name: [] for name in workers}
        for repetition in range(-1, options.repeat):  # the first one warms up, compiles, and tries the layouts
            for name in list(turns[action]):
                if name not in workers:
                    continue
                answer, after = ask(name, action), probe.ask("probe")
                if "cannot" in answer:
                    del turns[action][name]
                elif "failed" not in answer and repetition >= 0:
                    worse = {what: min(before[what], after[what]) for what in after}
                    turns[action][name].append(answer | worse)
                before = after
            _tell(f"{action} {repetition + 1}/{options.repeat}")
        if action == options.actions[0]:  # the peak is that of training, which comes first
            about = {name: ask(name, "about") for name in list(workers)}
        for name in list(workers):
            about[name] = about[name] | {"note": ask(name, "about")["note"]}
        yield {"turns": turns, "about": about, "failed": failed}
    for worker in (*workers.values(), probe):
        worker.close()


def agree(probs: dict[str, Any]) -> None:
    """Stop where the programs do not compute the same net."""
    arrays = {name: np.array(each) for name, each in probs.items() if each is not None}
    if OURS not in arrays or len(arrays) < 2:
        sys.exit("compare_torch: nothing to compare: a program did not start, see above")
    for name, found in arrays.items():
        parted = np.abs(found - arrays[OURS]).max() / np.abs(arrays[OURS]).max()
        if not parted < ROUNDING["bf16" if "bf16" in name else "fp32"]:
            sys.exit(f"compare_torch: {name} computes another net: outputs part by {parted:.1e}")


def medians(turns: dict[str, list[dict[str, float]]], what: str) -> dict[str, float]:
    """Of each program's turns in which the machine was as fast as at its best, or nearly; of all where none was."""
    best = max(each["sgemm"] for of in turns.values() for each in of)
    found = {}
    for name, of in turns.items():
        good = [each[what] for each in of if each["sgemm"] >= GOOD * best]
        found[name] = statistics.median(good or [each[what] for each in of])
    return found


def table(found: dict[str, Any], batch: int) -> str:
    """Markdown: a row a program, its rate in each action, how many times as long it takes as ours, and the probes."""
    actions = {name: turns for name, turns in found["turns"].items() if any(turns.values())}
    counts = {"step": batch, "forward": batch, "ten_crop": batch // gcd(batch, 10)}
    lines = ["| | " + " | ".join(f"{ACTIONS[action]} | alexctl's" for action in actions) + f" | {PEAK} |"]
    lines.append("|---|" + "---:|" * (2 * len(actions) + 1))
    median = {action: medians(turns, "seconds") for action, turns in actions.items()}
    for name in found["about"]:
        cells = []
        for action, by_program in median.items():
            if name not in by_program:
                cells += ["", ""]
                continue
            seconds = by_program[name]
            cells.append(f"{1e3 * seconds if action == 'single' else counts[action] / seconds:.1f}")
            cells.append(f"{seconds / by_program[OURS]:.2f} x")
        trains = "step" in median and name in median["step"]
        cells.append(f"{found['about'][name]['peak']:.0f}" if trains else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append("")
    for action, turns in actions.items():
        every = [each for of in turns.values() for each in of]
        sgemm, copy = (sorted(each[what] for each in every) for what in ("sgemm", "copy"))
        good = sum(each["sgemm"] >= GOOD * sgemm[-1] for each in every)
        lines.append(
            f"{ACTIONS[action].split(',')[0]}: {good} of {len(every)} turns with good probes; sgemm {sgemm[0]:.0f} to "
            f"{sgemm[-1]:.0f} GFLOP/s, copy {copy[0]:.1f} to {copy[-1]:.1f} GB/s."
        )
    last = [f"{name}: {about['note']}" for name, about in found["about"].items() if about["note"]]
    lines += [f"In channels-last order: {'; '.join(last)}."] if last else []
    lines += [f"{name} is left out: {why}" for name, why in found["failed"].items()]
    return "\n".join(lines)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128, help="images a step and a forward pass (default: 128)")
    parser.add_argument("--threads", type=int, default=int(machine()["cores"]), help="for each (default: the cores)")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions, of which the median counts (default: 5)")
    parser.add_argument("--actions", nargs="+", choices=ACTIONS, default=list(ACTIONS), help="default: all")
    parser.add_argument("--out", type=Path, help="write PREFIX.md and PREFIX.json")
    parser.add_argument("--serve", choices=[*PEERS, PROBE], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.batch, options.threads)
        return
    if find_spec("torch") is None:
        sys.exit("compare_torch: there is no PyTorch here; install it with `pip install torch`")
    packages = [each for each in sorted(set(NEEDS.values())) if find_spec(each)]
    facts: dict[str, Any] = {**machine(), **{each: metadata.version(each) for each in packages}}
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
