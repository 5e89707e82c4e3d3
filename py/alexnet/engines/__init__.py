"""What a net asks of an engine: memory in the engine's own layout, and the operations on it.

Arrays belong to the engine (`Tensor`); only `pack`, `unpack`, `upload` and `download` cross to NumPy's plain
forms. No file here knows of processes, files or recipes.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from alexnet.engines.fused import Fused
from alexnet.engines.operations import Move, Operations
from alexnet.engines.tensor import Floats, Own, Scalar, Tensor

__all__ = ["Engine", "Floats", "Fused", "Move", "Operations", "Own", "Precision", "Scalar", "Tensor"]

Precision = Literal["fp32", "tf32", "bf16"]  # of products and maps


class Engine(Protocol):
    """Memory and operations of one device."""

    @property
    def ops(self) -> Operations:
        """The operations on its memory."""

    def for_test(self, images: int) -> "Engine":
        """An engine for test-time passes over so many images at once, which may keep them in another layout."""

    def beside(self) -> "Engine":
        """An engine on the same memory for a thread that works beside this one's, and leaves it the processor."""

    @property
    def rectifies(self) -> bool:
        """Whether conv_forward and fc_forward take `relu=True`, for ReLU in the same pass."""

    @property
    def masks(self) -> bool:
        """Whether lrn_backward takes `relu=True`, for that of the ReLU below in the same pass."""

    @property
    def fused(self) -> Fused | None:
        """The operations on its memory that join layers, where it has them."""

    @property
    def records(self) -> bool:
        """Whether `repeat` runs recorded work without calling it."""

    def maps(self, images: int, maps: int, height: int, width: int, *, within: Own = None) -> Tensor:
        """Memory for the maps of a minibatch, new or inside larger maps; the contents are undefined."""

    def bytes_like(self, maps: Own) -> Tensor:
        """One byte for each value of `maps`."""

    def upload(self, values: NDArray[Any]) -> Tensor:
        """Plain values to the device, the same shape."""

    def download(self, values: Own) -> NDArray[Any]:
        """Values of the device in the plain form."""

    def pack(self, values: Floats, out: Own) -> None:
        """Plain maps (images, maps, height, width) into `out`; images beyond them become zero."""

    def unpack(self, values: Own, images: int) -> Floats:
        """The first images of `values` as (images, maps, height, width)."""

    def repeat(
        self, work: Callable[[Sequence[Scalar]], None], numbers: Sequence[float], fixed: tuple[Any, ...]
    ) -> None:
        """work(numbers), which an engine may record and run again without calling it.

        `work` gives operations to the engine and reads nothing back. What it does hangs on `fixed` alone (memory in it
        by identity), and on `numbers` only where an operation takes a `Scalar`.
        """

    def descend(self, moves: Sequence[Move], /) -> None:
        """`ops.sgd` of many parameters, in as few passes as the engine has. Part of work that `repeat` may record."""

    def tally(self, probs: Own, labels: Own, losses: Own, sums: Own, /) -> None:
        """Writes sums (2) float64: the sum of losses (n), and how many of n images have another class before their
        label (n) in probs (classes, 1, 1), as `metrics.misses` counts them. Part of work that `repeat` may record."""

    def fetch(self, values: Own) -> Callable[[], NDArray[Any]]:
        """Asks for values as they are after all work so far; the call that it gives waits for them, and no longer."""

    def mark(self) -> Any:
        """This moment in the order of the engine's work."""

    def seconds(self, begin: Any, end: Any) -> float:
        """From one mark to another, once the work before them is done."""
