"""An engine's arrays and numbers, as those see them who do not know the engine."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Tensor(Protocol):
    """An array in the engine's own memory and layout; a part of one is a view of it."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def size(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, part: slice, /) -> "Tensor": ...

    def __setitem__(self, part: Any, values: Any, /) -> None:
        """Take over values of the same shape: the engine's own or plain ones."""


Scalar = float | Tensor  # a number, or an engine's place for one that changes from step to step
Own = Any  # a Tensor that an engine or a link takes back: each knows its own kind
OwnScalar = Any  # a Scalar likewise
