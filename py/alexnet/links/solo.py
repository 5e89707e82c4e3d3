"""One process owns the whole net: nothing travels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.engines import Floats, Tensor
from alexnet.links import place


class SoloLink:
    """The link of a process that is alone; a crossing passes its maps through."""

    rank = 0

    def __init__(self, columns: int) -> None:
        self.place = place(columns, 1, 0)

    def gather(self, own: Tensor, whole: Tensor) -> None:
        raise AssertionError("a process that owns every column has no crossing")

    def scatter(self, whole: Tensor, own: Tensor) -> None:
        raise AssertionError("a process that owns every column has no crossing")

    def average(self, gradients: Sequence[Tensor]) -> None:
        del gradients

    def averaged(self) -> None:
        pass

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values

    def any(self, flag: bool) -> bool:
        return flag

    def share(self, value: Any) -> Any:
        return value

    def rows(self, own: Floats) -> Floats | None:
        return own

    def each(self, value: Any) -> list[Any]:
        return [value]

    def close(self) -> None:
        pass

    def images(self, own: NDArray[Any]) -> NDArray[Any] | None:
        return own
