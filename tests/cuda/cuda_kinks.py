"""The choices of ReLUs and maxima, handed from the CUDA engine to the CPU engine.

Where two values agree within rounding, two right programs may choose differently, and a gradient then takes another
way (tests/net/torch_model.py does the same). The CPU engine takes over the CUDA engine's choices, and each that
differs from its own must be a tie within `tie` of the largest value.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import Engine


class Noting:
    """An engine's operations; what ReLUs and maxima chose in a forward pass is noted in its order."""

    def __init__(self, engine: Engine, images: int) -> None:
        self._ops, self._engine, self._images = engine.ops, engine, images
        self.choices: list[NDArray[Any]] = []
        engine.ops = self  # type: ignore[misc]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ops, name)

    def conv_forward(self, x: Any, w: Any, b: Any, y: Any, **settings: Any) -> None:
        self._ops.conv_forward(x, w, b, y, **settings)
        self._rectified(y, **settings)

    def fc_forward(self, x: Any, w: Any, b: Any, y: Any, **settings: Any) -> None:
        self._ops.fc_forward(x, w, b, y, **settings)
        self._rectified(y, **settings)

    def _rectified(self, y: Any, relu: bool = False, **settings: Any) -> None:
        if relu:
            self.choices.append(self._engine.unpack(y, self._images) > 0)

    def relu_forward(self, x: Any, y: Any) -> None:
        self._ops.relu_forward(x, y)
        self.choices.append(self._engine.unpack(y, self._images) > 0)

    def max_pool_forward(self, x: Any, y: Any, argmax: Any, *, size: int, stride: int) -> None:
        self._ops.max_pool_forward(x, y, argmax, size=size, stride=stride)
        self.choices.append(self._engine.unpack(argmax, self._images).astype(np.int64))


class Following:
    """An engine's operations, with the choices of another's forward pass."""

    def __init__(self, engine: Engine, images: int, choices: list[NDArray[Any]], tie: float) -> None:
        self._ops, self._engine, self._images = engine.ops, engine, images
        self.choices, self._tie = choices, tie
        self._passed: dict[int, NDArray[Any]] = {}
        self.differing = 0
        engine.ops = self  # type: ignore[misc]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ops, name)

    def relu_forward(self, x: Any, y: Any) -> None:
        passes, values = self.choices.pop(0), self._engine.unpack(x, self._images)
        self._insist(passes != (values > 0), np.abs(values), values)
        self._passed[id(y)] = passes
        self._engine.pack(values * passes, y)

    def relu_backward(self, y: Any, dy: Any, dx: Any) -> None:
        self._engine.pack(self._engine.unpack(dy, self._images) * self._passed[id(y)], dx)

    def max_pool_forward(self, x: Any, y: Any, argmax: Any, *, size: int, stride: int) -> None:
        self._ops.max_pool_forward(x, y, argmax, size=size, stride=stride)
        chosen, values = self.choices.pop(0), self._engine.unpack(x, self._images)
        largest, own = (self._engine.unpack(each, self._images) for each in (y, argmax))
        image, maps, row, column = np.indices(chosen.shape, sparse=True)
        taken = values[image, maps, row * stride + chosen // size, column * stride + chosen % size]
        self._insist(chosen != own, largest - taken, values)
        self._engine.pack(taken, y)
        self._engine.pack(chosen.astype(np.float32), argmax)

    def _insist(self, differs: NDArray[Any], by: NDArray[Any], values: NDArray[Any]) -> None:
        self.differing += int(differs.sum())
        worst = by[differs].max(initial=0.0) / np.abs(values).max()
        assert worst <= self._tie, f"a choice that is no tie: {worst:.1e} of the largest value"
