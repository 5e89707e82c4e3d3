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
