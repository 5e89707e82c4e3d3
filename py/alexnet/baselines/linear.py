"""A linear classifier a class against all others, all classes at once, by averaged SGD (Xu 2011; Lin et al. 2011).

    minimise  decay/2 |w|^2 + mean of max(0, 1 - y (w.x + b)),  y = +1 for the class's own images, -1 for the rest

for every class: a batch's margins are one product, its gradients another. Where y = 0, nothing is learnt of the image.
The rate falls as rate (1 + decay rate t)^-power. From the second epoch on the weights of all steps are averaged.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alexnet.baselines.grid import Floats

Labels = NDArray[np.int32]
Signs = NDArray[np.int8]

ORDER = 1  # a purpose of random numbers
TRIED = 1000  # rows on which rates are tried
BLOCK = 256


@dataclass(frozen=True)
class Sgd:
    """How to descend; `rate` None: the best of powers of 2 over one epoch of the first rows."""

    decay: float = 1e-5
    rate: float | None = None
    power: float = 2 / 3
    epochs: int = 5
    batch: int = 16


@dataclass(frozen=True)
class Linear:
    """`weights` (D, classes), `biases` (classes)."""

    weights: Floats
    biases: Floats

    def __call__(self, rows: Floats) -> Floats:
        """(n, classes): how far each row lies on each class's side."""
        parts = [
            rows[at : at + BLOCK].astype(self.weights.dtype) @ self.weights + self.biases
            for at in range(0, len(rows), BLOCK)
        ]
        return np.concatenate(parts)


def train(rows: Floats, labels: Labels | Signs, classes: int, sgd: Sgd, seed: int = 0) -> Linear:
    """The classifier of rows (n, D) with labels 0..classes-1 (n), or signs 1, -1, 0 (n, classes) where a row is of any
    number of classes; float64 rows are computed in float64, others in 32.

    A row is read once an epoch, in an order of (seed, epoch); `rows` may be a mapped file larger than memory.
    """
    if sgd.rate is None:
        sgd = replace(sgd, rate=_best_rate(rows[:TRIED], labels[:TRIED], classes, sgd, seed))
    return _descend(rows, labels, classes, sgd, seed)


def objective(classifier: Linear, rows: Floats, labels: Labels | Signs, decay: float) -> float:
    """What is minimised, summed over the classes."""
    signs = _signs(labels, len(classifier.biases))
    hinge = (abs(signs) * np.maximum(0, 1 - signs * classifier(rows))).sum() / len(rows)
    return float(hinge + decay / 2 * (classifier.weights**2).sum())


def _descend(rows: Floats, labels: Labels | Signs, classes: int, sgd: Sgd, seed: int) -> Linear:
    kind = np.dtype(np.float64 if rows.dtype == np.float64 else np.float32).type
    weights: Floats = np.zeros((rows.shape[1], classes), kind)
    biases: Floats = np.zeros(classes, kind)
    mean, averaged = Linear(np.zeros_like(weights), np.zeros_like(biases)), 0
    assert sgd.rate is not None
    for step, (epoch, chosen) in enumerate(_batches(len(rows), sgd, seed), 1):
        rate = kind(sgd.rate * (1 + sgd.decay * sgd.rate * step) ** -sgd.power)
        batch, signs = rows[chosen].astype(kind), _signs(labels[chosen], classes).astype(kind)
        short = signs * (batch @ weights + biases) < 1
        push = np.where(short, signs * (rate / len(batch)), 0)
        weights *= 1 - rate * kind(sgd.decay)
        weights += batch.T @ push
        biases += push.sum(axis=0)
        if epoch:
            averaged += 1
            mean.weights[...] += (weights - mean.weights) / averaged
            mean.biases[...] += (biases - mean.biases) / averaged
    return mean if averaged else Linear(weights, biases)


def _batches(count: int, sgd: Sgd, seed: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each epoch's rows in its order, a batch at a time."""
    for epoch in range(sgd.epochs):
        order = np.random.default_rng([seed, ORDER, epoch]).permutation(count)
        for at in range(0, count, sgd.batch):
            yield epoch, np.sort(order[at : at + sgd.batch])


def _signs(labels: Labels | Signs, classes: int) -> Floats:
    """(n, classes): +1 at each row's own class or classes, -1 elsewhere, 0 where it is neither."""
    if labels.ndim == 2:
        return labels.astype(np.float32)
    return np.where(labels[:, None] == np.arange(classes), np.float32(1), np.float32(-1))


def _best_rate(rows: Floats, labels: Labels | Signs, classes: int, sgd: Sgd, seed: int) -> float:
    """The power of 2 from which one epoch comes lowest: from 1 upwards, or where that is worse, downwards."""

    def reached(rate: float) -> float:
        once = _descend(rows, labels, classes, replace(sgd, rate=rate, epochs=1), seed)
        return objective(once, rows, labels, sgd.decay)

    best, lowest = 1.0, reached(1.0)
    for factor in (2.0, 0.5):
        start = best
        while (found := reached(best * factor)) < lowest:
            best, lowest = best * factor, found
        if best != start:
            break
    return best
