"""What bounds an engine that records its work: how fast it multiplies and copies at best; each part of a step alone.

A part is recorded many times over in one piece, so that neither the host's time nor a launch's is in it; its data may
then lie in a cache that a whole step would have emptied.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from alexnet.engines import Engine, Scalar
from alexnet.net.layers import Layer

Work = Callable[[Sequence[Scalar]], None]

AGAIN = 10
LONG_ENOUGH = 1e-3  # seconds a product takes whose rate no longer hangs on its size


@dataclass(frozen=True)
class Ceilings:
    """Rates of a large product, two operations a multiply-add, and of a large copy, read and written."""

    gflops: float
    bytes_per_s: float


def ceilings(engine: Engine) -> Ceilings:
    """Measured on square matrices, doubled in side until a product is long enough."""
    side = 256
    while True:
        side *= 2
        random = np.random.default_rng(0)
        weights = engine.upload(random.standard_normal((side, side), np.float32))
        above, below = (engine.maps(side, side, 1, 1) for _ in range(2))
        engine.pack(random.standard_normal((side, side, 1, 1), np.float32), above)
        product = _seconds(engine, partial(engine.ops.fc_backward_data, above, weights, below))
        if product >= LONG_ENOUGH:
            copy = _seconds(engine, partial(below.__setitem__, ..., above))
            return Ceilings(2e-9 * side**3 / product, 2 * above.nbytes / copy)


def recorded_parts(engine: Engine, parts: dict[str, Work], repeat: int) -> list[dict[str, float]]:
    """Seconds of each part by itself, for each repetition."""
    rows: list[dict[str, float]] = [{} for _ in range(repeat)]
    for name, work in parts.items():

        def again(numbers: Sequence[Scalar], work: Work = work) -> None:
            for _ in range(AGAIN):
                work(numbers)

        act = partial(engine.repeat, again, [0, 0.0], (work,))
        act()
        act()
        for row in rows:
            begin = engine.mark()
            act()
            row[name] = engine.seconds(begin, engine.mark()) / AGAIN
    return rows


def traffic(layer: Layer) -> int:
    """Bytes that a layer reads and writes in a step: each operand and result of a product once."""
    weights = sum(each.value.nbytes for each in layer.parameters)
    above, below = (0 if each.gradient is None else each.gradient.nbytes for each in (layer.top, layer.bottom))
    forward = layer.bottom.value.nbytes + weights + layer.top.value.nbytes
    backward = layer.bottom.value.nbytes + weights + above + below
    return int(forward + backward + (weights + above if weights and below else 0))


def _seconds(engine: Engine, act: Callable[[], None]) -> float:
    act()
    begin = engine.mark()
    for _ in range(AGAIN):
        act()
    return engine.seconds(begin, engine.mark()) / AGAIN
