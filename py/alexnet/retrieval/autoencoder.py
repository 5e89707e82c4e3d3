"""A deep autoencoder with a binary middle (Krizhevsky and Hinton 2011), for codes of features (paper, 6.1).

    d - d/4 - d/8 - code - d/8 - d/4 - d:  tanh, tanh, logistic and rounded, tanh, tanh, linear

It learns to give back its input, less the mean and scaled, by the mean squared error. The middle units are rounded to 0
or 1 going forward and are treated as not rounded going backward. All is a dozen products of small matrices; so they are
NumPy's, and the engine with its layout by blocks of images is not needed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from alexnet.retrieval.features import Features, Floats, singles
from alexnet.retrieval.packing import Bits

WEIGHTS, ORDER, MOMENTS = 1, 2, 3  # purposes of random numbers
SAMPLE = 10_000  # rows from which the mean and the scale are taken
MIDDLE = 2  # the layer whose outputs are the code
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # Adam's, as published


@dataclass(frozen=True)
class Training:
    """How to descend: Adam (Kingma and Ba 2015), whose steps fit any width; the rate falls to 0 along half a cosine."""

    epochs: int
    batch: int = 128
    rate: float = 0.002


@dataclass
class Autoencoder:
    """Six layers of `weights` (in, out) and `biases` (out) on (x - `mean`) / `scale`."""

    mean: Floats
    scale: float
    weights: list[Floats]
    biases: list[Floats]

    @property
    def bits(self) -> int:
        """Of a code."""
        return len(self.biases[MIDDLE])

    @property
    def values(self) -> list[Floats]:
        """All weights, then all biases."""
        return [*self.weights, *self.biases]

    def __call__(self, rows: Floats) -> Bits:
        """(n, bits): the codes of rows (n, d)."""
        values = (rows - self.mean) / np.float32(self.scale)
        for weights, biases in zip(self.weights[:MIDDLE], self.biases[:MIDDLE], strict=True):
            values = np.tanh(values @ weights + biases)
        bits: Bits = values @ self.weights[MIDDLE] + self.biases[MIDDLE] > 0
        return bits


@dataclass
class State:
    """A training after `step` steps, from where it goes on as if it had not stopped.

    `first` and `second` are the running means of each gradient and of its square.
    """

    step: int
    net: Autoencoder
    first: list[Floats]
    second: list[Floats]


def begun(mean: Floats, scale: float, bits: int, seed: int) -> Autoencoder:
    """First weights, as Glorot and Bengio (2010) draw them."""
    width = len(mean)
    sizes = [width, max(width // 4, 1), max(width // 8, 1), bits, max(width // 8, 1), max(width // 4, 1), width]
    weights = []
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        reach = np.sqrt(6 / (inputs + outputs))
        draws = np.random.default_rng([seed, WEIGHTS, layer])
        weights.append(draws.uniform(-reach, reach, (inputs, outputs)).astype(np.float32))
    return Autoencoder(mean, scale, weights, [np.zeros(size, np.float32) for size in sizes[1:]])


def start(features: Features, bits: int, seed: int = 0) -> State:
    """A training of a file's rows before its first step."""
    net = begun(*_moments(features, seed), bits, seed)
    return State(0, net, [np.zeros_like(each) for each in net.values], [np.zeros_like(each) for each in net.values])


def train(
    features: Features,
    state: State,
    training: Training,
    seed: int = 0,
    listen: Callable[[int, float], None] = lambda step, loss: None,
) -> Autoencoder:
    """Go on to the last epoch; `listen` hears of each step and its loss. `state` is changed; memory holds a batch."""
    steps = training.epochs * -(-features.count // training.batch)
    for chosen in islice(_batches(features.count, training, seed), state.step, None):
        rows = (singles(features.rows(chosen)) - state.net.mean) / np.float32(state.net.scale)
        loss, gradients = loss_and_gradients(state.net, rows)
        rate = training.rate * 0.5 * (1 + np.cos(np.pi * state.step / steps))
        state.step += 1
        _move(state, gradients, rate)
        listen(state.step, loss)
    return state.net


def _move(state: State, gradients: list[Floats], rate: float) -> None:
    """One step of Adam; that both means began at 0 is made up for."""
    begun_at_0 = 1 - FIRST**state.step, np.sqrt(1 - SECOND**state.step)
    for value, first, second, gradient in zip(state.net.values, state.first, state.second, gradients, strict=True):
        first += np.float32(1 - FIRST) * (gradient - first)
        second += np.float32(1 - SECOND) * (gradient**2 - second)
        value -= np.float32(rate / begun_at_0[0]) * first / (np.sqrt(second) / np.float32(begun_at_0[1]) + TINY)


def loss_and_gradients(net: Autoencoder, rows: Floats) -> tuple[float, list[Floats]]:
    """Half the squared error a row, over normalised rows (n, d), and its gradients to all weights, then all biases."""
    inputs, slopes = [rows], []
    values = rows
    for layer, (weights, biases) in enumerate(zip(net.weights, net.biases, strict=True)):
        values, slope = _unit(layer, len(net.weights) - 1, values @ weights + biases)
        inputs.append(values)
        slopes.append(slope)
    error = values - rows
    loss = float((error.astype(np.float64) ** 2).sum() / (2 * len(rows)))
    to_weights: list[Floats] = []
    to_biases: list[Floats] = []
    back = error / len(rows)
    for layer in reversed(range(len(net.weights))):
        back = back * slopes[layer]
        to_weights.append(inputs[layer].T @ back)
        to_biases.append(back.sum(axis=0))
        if layer:
            back = back @ net.weights[layer].T
    return loss, to_weights[::-1] + to_biases[::-1]


def _unit(layer: int, last: int, values: Floats) -> tuple[Floats, Floats]:
    """A layer's outputs and their slopes by its inputs: rounding has the slope 1."""
    if layer == last:
        return values, np.ones((), values.dtype)
    if layer == MIDDLE:
        chance = 0.5 + 0.5 * np.tanh(0.5 * values)  # the logistic, of any value
        return np.round(chance), chance * (1 - chance)
    values = np.tanh(values)
    return values, 1 - values**2


def _moments(features: Features, seed: int) -> tuple[Floats, float]:
    """The mean row and the root of the mean variance of a sample of rows."""
    draws = np.random.default_rng([seed, MOMENTS])
    chosen = np.sort(draws.choice(features.count, min(SAMPLE, features.count), replace=False))
    rows = singles(features.rows(chosen))
    mean = rows.mean(axis=0, dtype=np.float64)
    scale = float(np.sqrt(rows.var(axis=0, dtype=np.float64).mean()))
    return mean.astype(np.float32), scale or 1.0


def _batches(count: int, training: Training, seed: int) -> Iterator[NDArray[np.int64]]:
    for epoch in range(training.epochs):
        order = np.random.default_rng([seed, ORDER, epoch]).permutation(count)
        for at in range(0, count, training.batch):
            yield np.sort(order[at : at + training.batch])
