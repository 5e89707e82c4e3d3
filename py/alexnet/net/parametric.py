"""The layers with parameters at work."""

from collections.abc import Sequence
from dataclasses import dataclass

from alexnet.engines import Fused, Operations
from alexnet.net.layers import Blob, Parameter, Pass


@dataclass
class Parametric:
    """What layers with parameters share."""

    name: str
    ops: Operations
    bottom: Blob
    top: Blob
    weight: Parameter
    bias: Parameter

    @property
    def parameters(self) -> Sequence[Parameter]:
        return self.weight, self.bias


@dataclass
class Convolution(Parametric):
    """Kernels over maps (paper, 3.5); `groups` is the number of columns that do not see each other here.

    With `rectifies` the forward pass ends with the ReLU above.
    """

    rectifies: bool
    stride: int
    pad: int
    groups: int

    @property
    def products(self) -> tuple[int, int]:
        """Multiplications for one image, (forward, backward): fewer than the definition's, where an engine can."""
        weight, pad, groups = self.weight.value, self.pad, self.groups
        own = self.ops.conv_products(weight, self.top.value, stride=self.stride, pad=pad, groups=groups)
        if self.bottom.gradient is None:
            return own, own
        return own, own + self.ops.conv_products(weight, self.bottom.value, stride=1, pad=pad, groups=groups)

    def forward(self, now: Pass) -> None:
        arrays = self.bottom.value, self.weight.value, self.bias.value, self.top.value
        if self.rectifies:
            self.ops.conv_forward(*arrays, stride=self.stride, pad=self.pad, groups=self.groups, relu=True)
        else:
            self.ops.conv_forward(*arrays, stride=self.stride, pad=self.pad, groups=self.groups)

    def backward(self, now: Pass) -> None:
        dy, dw, db = self.top.gradient, self.weight.gradient, self.bias.gradient
        self.ops.conv_backward_weights(
            self.bottom.value, dy, dw, db, stride=self.stride, pad=self.pad, groups=self.groups
        )
        if self.bottom.gradient is not None:
            weight, dx = self.weight.value, self.bottom.gradient
            self.ops.conv_backward_data(dy, weight, dx, stride=self.stride, pad=self.pad, groups=self.groups)


@dataclass
class LocallyConnected(Parametric):
    """Kernels of each place's own (the authors' CIFAR-10 nets); `groups` as in a convolution."""

    stride: int
    pad: int
    groups: int

    def forward(self, now: Pass) -> None:
        arrays = self.bottom.value, self.weight.value, self.bias.value, self.top.value
        self.ops.local_forward(*arrays, stride=self.stride, pad=self.pad, groups=self.groups)

    def backward(self, now: Pass) -> None:
        dy, dw, db = self.top.gradient, self.weight.gradient, self.bias.gradient
        self.ops.local_backward_weights(
            self.bottom.value, dy, dw, db, stride=self.stride, pad=self.pad, groups=self.groups
        )
        if self.bottom.gradient is not None:
            weight, dx = self.weight.value, self.bottom.gradient
            self.ops.local_backward_data(dy, weight, dx, stride=self.stride, pad=self.pad, groups=self.groups)


@dataclass
class FullyConnected(Parametric):
    """Units that see every value below (paper, 3.5); `rectifies` as in a convolution."""

    rectifies: bool

    def forward(self, now: Pass) -> None:
        arrays = self.bottom.value, self.weight.value, self.bias.value, self.top.value
        if self.rectifies:
            self.ops.fc_forward(*arrays, relu=True)
        else:
            self.ops.fc_forward(*arrays)

    def backward(self, now: Pass) -> None:
        dy, dw, db = self.top.gradient, self.weight.gradient, self.bias.gradient
        self.ops.fc_backward_weights(self.bottom.value, dy, dw, db)
        if self.bottom.gradient is not None:
            self.ops.fc_backward_data(dy, self.weight.value, self.bottom.gradient)


@dataclass
class Descending(FullyConnected):
    """Units whose weights move within the backward pass, by `Pass.descents`: their gradient is never kept."""

    fused: Fused

    def backward(self, now: Pass) -> None:
        x, dy, weight = self.bottom.value, self.top.gradient, self.weight
        if self.bottom.gradient is not None:
            self.ops.fc_backward_data(dy, weight.value, self.bottom.gradient)
        self.fused.fc_backward_bias(dy, self.bias.gradient)
        if (by := now.descents.get(weight.name)) is not None:
            w, v = weight.value, weight.momentum
            self.fused.fc_descend(x, dy, w, v, rate=by.rate, momentum=by.momentum, decay=by.decay)
