"""Operations in one pass with a neighbour's: of the engines that have them (`Engine.fused`).

What each writes is defined by the operations of `operations.py` that it joins, and it is held to them; arrays and
errors are as there.
"""

from typing import Protocol

from alexnet.engines.tensor import Own, OwnScalar


class Fused(Protocol):
    """What a net asks of an engine for layers in a row."""

    def fc_backward_bias(self, dy: Own, db: Own, /) -> None:
        """Writes the db of fc_backward_weights."""

    def fc_descend(
        self, x: Own, dy: Own, w: Own, v: Own, /, *, rate: OwnScalar, momentum: OwnScalar, decay: OwnScalar
    ) -> None:
        """Writes w and v: sgd with the dw of fc_backward_weights, which is never whole in memory (5)."""

    def lrn_max_pool_forward(
        self,
        x: Own,
        y: Own,
        argmax: Own,
        /,
        *,
        n: int,
        k: float,
        alpha: float,
        beta: float,
        groups: int,
        size: int,
        stride: int,
    ) -> None:
        """Writes the y and argmax of max_pool_forward, of the responses of lrn_forward to x (3.3, 3.4)."""

    def lrn_max_pool_backward(
        self,
        x: Own,
        dy: Own,
        argmax: Own,
        dx: Own,
        /,
        *,
        n: int,
        k: float,
        alpha: float,
        beta: float,
        groups: int,
        size: int,
        stride: int,
        relu: bool,
    ) -> None:
        """Writes dx, by lrn_max_pool_forward's formula; with `relu` it is relu_backward's, of which x is the y."""
