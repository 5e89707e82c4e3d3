"""What a net asks of an engine: memory in the engine's own layout, and the operations on it.

Arrays belong to the engine (`Tensor`); only `pack`, `unpack`, `upload` and `download` cross to NumPy's plain
forms. No file here knows of processes, files or recipes.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Tensor = Any
Scalar = Any  # a number, or an engine's place for one that changes from step to step
Floats = NDArray[np.float32]
Precision = Literal["fp32", "tf32", "bf16"]  # of products and maps


class Operations(Protocol):
    """The operations; outputs are the caller's and wholly overwritten. Shapes: see each engine's sources."""

    def conv_forward(
        self, x: Tensor, w: Tensor, b: Tensor, y: Tensor, /, *, stride: int, pad: int, groups: int
    ) -> None: ...
    def conv_backward_data(
        self, dy: Tensor, w: Tensor, dx: Tensor, /, *, stride: int, pad: int, groups: int
    ) -> None: ...
    def conv_backward_weights(
        self, x: Tensor, dy: Tensor, dw: Tensor, db: Tensor, /, *, stride: int, pad: int, groups: int
    ) -> None: ...
    def conv_products(self, w: Tensor, y: Tensor, /, *, stride: int, pad: int, groups: int) -> int:
        """Products that `conv_forward` makes for one image; the weight gradient's are as many, the data gradient's
        those of outputs like dx at stride 1."""
        ...

    def max_pool_forward(self, x: Tensor, y: Tensor, argmax: Tensor, /, *, size: int, stride: int) -> None: ...
    def max_pool_backward(self, dy: Tensor, argmax: Tensor, dx: Tensor, /, *, size: int, stride: int) -> None: ...
    def average_pool_forward(self, x: Tensor, y: Tensor, /, *, size: int, stride: int) -> None: ...
    def average_pool_backward(self, dy: Tensor, dx: Tensor, /, *, size: int, stride: int) -> None: ...
    def lrn_forward(
        self, x: Tensor, y: Tensor, /, *, n: int, k: float, alpha: float, beta: float, groups: int
    ) -> None: ...
    def lrn_backward(
        self,
        x: Tensor,
        dy: Tensor,
        dx: Tensor,
        /,
        *,
        n: int,
        k: float,
        alpha: float,
        beta: float,
        groups: int,
    ) -> None: ...
    def lrn_spatial_forward(self, x: Tensor, y: Tensor, /, *, n: int, k: float, alpha: float, beta: float) -> None: ...
    def lrn_spatial_backward(
        self, x: Tensor, dy: Tensor, dx: Tensor, /, *, n: int, k: float, alpha: float, beta: float
    ) -> None: ...
    def relu_forward(self, x: Tensor, y: Tensor, /) -> None: ...
    def relu_backward(self, y: Tensor, dy: Tensor, dx: Tensor, /) -> None: ...
    def tanh_forward(self, x: Tensor, y: Tensor, /) -> None: ...
    def tanh_backward(self, y: Tensor, dy: Tensor, dx: Tensor, /) -> None: ...
    def fc_forward(self, x: Tensor, w: Tensor, b: Tensor, y: Tensor, /) -> None: ...
    def fc_backward_data(self, dy: Tensor, w: Tensor, dx: Tensor, /) -> None: ...
    def fc_backward_weights(self, x: Tensor, dy: Tensor, dw: Tensor, db: Tensor, /) -> None: ...
    def dropout(
        self,
        x: Tensor,
        y: Tensor,
        /,
        *,
        rate: float,
        seed: int,
        step: Scalar,
        layer: int,
        first_unit: int,
        first_image: int,
    ) -> None: ...
    def scale(self, x: Tensor, y: Tensor, /, *, factor: float) -> None: ...
    def softmax_loss(
        self,
        logits: Tensor,
        labels: Tensor,
        probs: Tensor,
        dlogits: Tensor,
        losses: Tensor,
        /,
        *,
        images: int,
        factor: float,
    ) -> None: ...
    def sgd(self, w: Tensor, v: Tensor, g: Tensor, /, *, rate: Scalar, momentum: Scalar, decay: Scalar) -> None: ...
    def augment(
        self,
        images: Sequence[NDArray[np.uint8]],
        mean: Tensor,
        out: Tensor,
        offsets: NDArray[np.int32],
        reflect: NDArray[np.uint8],
        shift: Floats,
        /,
        *,
        divide: float,
    ) -> None: ...


class Engine(Protocol):
    """Memory and operations of one device."""

    @property
    def ops(self) -> Operations:
        """The operations on its memory."""

    def for_test(self, images: int) -> "Engine":
        """An engine for test-time passes over so many images at once, which may keep them in another layout."""

    @property
    def rectifies(self) -> bool:
        """Whether conv_forward and fc_forward take `relu=True`, for ReLU in the same pass."""

    @property
    def records(self) -> bool:
        """Whether `repeat` runs recorded work without calling it."""

    def maps(self, images: int, maps: int, height: int, width: int, *, within: Tensor = None) -> Tensor:
        """Memory for the maps of a minibatch, new or inside larger maps; the contents are undefined."""

    def bytes_like(self, maps: Tensor) -> Tensor:
        """One byte for each value of `maps`."""

    def upload(self, values: NDArray[Any]) -> Tensor:
        """Plain values to the device, the same shape."""

    def download(self, values: Tensor) -> NDArray[Any]:
        """Values of the device in the plain form."""

    def pack(self, values: Floats, out: Tensor) -> None:
        """Plain maps (images, maps, height, width) into `out`; images beyond them become zero."""

    def unpack(self, values: Tensor, images: int) -> Floats:
        """The first images of `values` as (images, maps, height, width)."""

    def repeat(
        self, work: Callable[[Sequence[Scalar]], None], numbers: Sequence[float], fixed: tuple[Any, ...]
    ) -> None:
        """work(numbers), which an engine may record and run again without calling it.

        `work` gives operations to the engine and reads nothing back. What it does hangs on `fixed` alone (memory in it
        by identity), and on `numbers` only where an operation takes a `Scalar`.
        """

    def mark(self) -> Any:
        """This moment in the order of the engine's work."""

    def seconds(self, begin: Any, end: Any) -> float:
        """From one mark to another, once the work before them is done."""
