"""Codes of all rows of files of features, several lengths at once, each in a file of its own (`index`)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet.console import progress, say
from alexnet.errors import Failure
from alexnet.retrieval.autoencoder import Training, start, train
from alexnet.retrieval.features import Features, Floats, singles
from alexnet.retrieval.index import Index, read, read_state, save, save_state
from alexnet.retrieval.packing import Bits, Words, pack
from alexnet.workers import shared_out

SEEN = 200_000  # rows that an autoencoder is shown, unless that is less than all of them once
KEEP_SECONDS = 60.0  # what a kill may cost


@dataclass(frozen=True)
class Coding:
    """Train an autoencoder of so many bits on the rows of `features`, and write the codes of all of them into `out`."""

    features: Path
    out: Path
    bits: int
    training: Training
    seed: int


def enough(features: Features) -> Training:
    """How to train where nothing else is asked for."""
    return Training(epochs=max(1, round(SEEN / features.count)))


def build(jobs: Sequence[Coding], workers: int) -> None:
    """Do what was not done before; stopped, it goes on where it was, each training at the last minute it kept.

    Raises Failure where an `out` holds codes of something else.
    """
    with progress("autoencoders", len(jobs), "autoencoders") as advance:
        for _ in shared_out(code, jobs, workers):
            advance(1)


def code(job: Coding) -> None:
    """One of the jobs."""
    features = Features(job.features)
    made = f"{features.identity} {job.bits} {job.training} {job.seed}"
    if job.out.exists():
        if read(job.out).made != made:
            raise Failure(f"{job.out} holds codes of something else: give another --out, or delete it")
        return
    beside = job.out.with_name(f"training-{job.out.name}")
    state = read_state(beside, made) or start(features, job.bits, job.seed)
    kept = time.monotonic()

    def keep(step: int, loss: float) -> None:
        nonlocal kept
        if not np.isfinite(loss):
            raise Failure(f"{job.features}: the autoencoder of {job.bits} bits diverged; are these values a net's?")
        if time.monotonic() - kept >= KEEP_SECONDS:
            save_state(beside, state, made)
            epoch = step * job.training.batch / features.count
            say(f"{job.out.name}: epoch {epoch:.1f} of {job.training.epochs}, loss {loss:.4g}")
            kept = time.monotonic()

    net = train(features, state, job.training, job.seed, keep)
    (codes,) = encoded(features, [net])
    save(job.out, Index(net, codes, features.labels, made))
    beside.unlink(missing_ok=True)


def encoded(features: Features, encoders: Sequence[Callable[[Floats], Bits]]) -> list[Words]:
    """The codes (n, words) of all rows by each encoder, in one pass over the file."""
    parts: list[list[Words]] = [[] for _ in encoders]
    for _, halves in features.blocks():
        rows = singles(halves)
        for part, encoder in zip(parts, encoders, strict=True):
            part.append(pack(encoder(rows)))
    return [np.concatenate(part) for part in parts]
