"""A net on an engine for the tests: losses and gradients of a step, a few steps of descent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cuda_kinks import Following, Noting
from numpy.typing import NDArray

from alexnet.engines import Engine, Scalar
from alexnet.engines.cuda import CudaEngine
from alexnet.links import Link
from alexnet.net.layers import Parameter, Pass
from alexnet.net.net import Net
from alexnet.recipe import Recipe
from alexnet.recipe.topology import topology

Floats = NDArray[np.float32]


@dataclass(eq=False)
class Run:
    """One process's part of a training on fixed images; dropout is drawn anew each step."""

    recipe: Recipe
    engine: Engine
    link: Link
    images: Floats
    labels: NDArray[np.int32]
    seed: int = 3
    resting: tuple[str, ...] = ()  # layers that do not learn
    plain: bool = False  # every gradient is kept, every layer does its own work

    def __post_init__(self) -> None:
        batch = len(self.images)
        shapes = topology(self.recipe.net, int(self.labels.max()) + 1)
        self.net = Net(shapes, self.engine, self.link, batch, training=True, plain=self.plain)
        self.net.initialise(self.seed)
        side = self.images.shape[2]
        self.input = self.engine.maps(batch, 3, side, side)
        self.engine.pack(self.images, self.input)
        self.net.labels[:batch] = self.labels

    def gradients(self, step: int) -> NDArray[np.float64]:
        """Forward and backward; the losses."""
        self._pass(step)
        return np.array(self.engine.download(self.net.losses))

    def step(self, step: int, rate: float) -> float:
        """One step of descent; the mean loss before it."""
        self.record(step, rate)
        return float(self.engine.download(self.net.losses).mean())

    def record(self, step: int, rate: float) -> None:
        """One step of descent, nothing read back."""

        def rates(parameter: Parameter) -> tuple[float, float]:
            return 0.0 if parameter.spec.name in self.resting else rate, self.recipe.train.decay

        self.net.step(self.input, self._now(step), rates, self.recipe.train.momentum)

    def _pass(self, step: int) -> None:
        def work(numbers: Sequence[Scalar]) -> None:
            now = self._now(numbers[0])
            self.net.forward(self.input, now)
            self.net.backward(now)

        self.engine.repeat(work, [step], (self, "gradients"))

    def _now(self, step: Scalar) -> Pass:
        batch = len(self.images)
        return Pass(batch, batch, step=step, seed=self.seed, dropout=self.recipe.dropout, training=True)

    def gathered(self) -> dict[str, Floats] | None:
        """Every gradient, whole, in the first process."""
        whole: dict[str, Any] = {}
        for each in self.net.parameters:
            rows = self.link.rows(self.engine.download(each.gradient))
            whole[each.name] = None if rows is None else rows.reshape(each.shape).copy()
        return whole if all(values is not None for values in whole.values()) else None


def compare(
    recipe: Recipe,
    engines: tuple[CudaEngine, Engine],
    links: tuple[Link, Link],
    pixels: Floats,
    labels: NDArray[np.int32],
    tie: float,
) -> dict[str, float] | None:
    """How far a step's losses and gradients on the first engine are from the second's, which follows its choices.

    The distance is the relative L2 norm: of a single element among a million, rounding tells more than of a program.
    In the first process; None elsewhere.
    """
    noted = Noting(engines[0], len(pixels))
    cuda = Run(recipe, engines[0], links[0], pixels, labels)
    found = {"losses": cuda.gradients(0)}
    following = Following(engines[1], len(pixels), noted.choices, tie)
    cpu = Run(recipe, engines[1], links[1], pixels, labels, plain=True)
    wanted = {"losses": cpu.gradients(0)}
    assert not following.choices, "a choice that nobody asked for"
    theirs, ours = cuda.gathered(), cpu.gathered()
    if theirs is None or ours is None:
        return None
    found, wanted = found | theirs, wanted | ours
    assert all(np.linalg.norm(values) > 0 for values in wanted.values())
    return {
        name: float(np.linalg.norm(found[name] - values) / np.linalg.norm(values)) for name, values in wanted.items()
    }


def images(random: np.random.Generator, batch: int, side: int) -> Floats:
    """Made-up photographs, the mean already subtracted."""
    return random.normal(0, 50, (batch, 3, side, side)).astype(np.float32)
