"""A net on an engine for the tests: losses and gradients of a step, a few steps of descent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import Engine, Scalar
from alexnet.layers import Parameter, Pass
from alexnet.links import Link
from alexnet.net import Net
from alexnet.recipe import Recipe
from alexnet.topology import topology

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

    def __post_init__(self) -> None:
        batch = len(self.images)
        shapes = topology(self.recipe.net, int(self.labels.max()) + 1)
        self.net = Net(shapes, self.engine, self.link, batch, training=True)
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

    def perturb(self, size: float) -> None:
        """Every weight times 1 + `size` or 1 - `size`: what rounding of that size may do."""
        random = np.random.default_rng(5)
        for each in self.net.parameters:
            values = np.array(self.engine.download(each.value))
            signs = random.choice([-size, size], values.shape)
            each.value[...] = self.engine.upload((values * (1 + signs)).astype(np.float32))

    def gathered(self) -> dict[str, Floats] | None:
        """Every gradient, whole, in the first process."""
        whole: dict[str, Any] = {}
        for each in self.net.parameters:
            rows = self.link.rows(self.engine.download(each.gradient))
            whole[each.name] = None if rows is None else rows.reshape(each.shape).copy()
        return whole if all(values is not None for values in whole.values()) else None


# Half a step of each precision's last bit, relative to the value.
ROUNDING = {"fp32": 2.0**-24, "tf32": 2.0**-11, "bf16": 2.0**-9}


def part(found: dict[str, Floats], wanted: dict[str, Floats]) -> dict[str, float]:
    """How far each gradient is from the wanted one, relative to its largest value."""
    return {
        name: float(np.abs(found[name] - values).max() / max(np.abs(values).max(), 1e-30))
        for name, values in wanted.items()
    }


def images(random: np.random.Generator, batch: int, side: int) -> Floats:
    """Made-up photographs, the mean already subtracted."""
    return random.normal(0, 50, (batch, 3, side, side)).astype(np.float32)
