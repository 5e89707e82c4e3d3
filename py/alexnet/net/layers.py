"""The layers of a net at work: each reads its bottom blob, writes its top blob, and takes the gradient back.

A layer holds the memory it works on, given once when the net is built; nothing is allocated in a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from alexnet.engines import Operations, Scalar, Tensor, draws
from alexnet.links import Link
from alexnet.recipe import AveragePool, Conv, Fc, Lrn, LrnSpatial, MaxPool


@dataclass
class Blob:
    """The maps between two layers, and the loss's gradient by them (None where nobody needs it)."""

    value: Tensor
    gradient: Tensor | None


@dataclass
class Parameter:
    """Kernels or biases: the rows that this process owns, with their momentum and gradient."""

    name: str
    spec: Conv | Fc
    rows: range
    shape: tuple[int, ...]  # of all rows, in the plain form
    value: Tensor
    momentum: Tensor = None
    gradient: Tensor = None

    @property
    def is_bias(self) -> bool:
        return len(self.shape) == 1


@dataclass(frozen=True)
class Pass:
    """What one pass through the net is about: which images of which step, training or test."""

    images: int
    batch: int
    first_image: int = 0
    step: Scalar = 0
    seed: int = 0
    dropout: float = 0.0
    training: bool = False


class Layer(Protocol):
    """A layer at work."""

    bottom: Blob
    top: Blob

    @property
    def parameters(self) -> Sequence[Parameter]: ...

    def forward(self, now: Pass) -> None: ...

    def backward(self, now: Pass) -> None: ...


@dataclass
class Bare:
    """What layers without parameters share."""

    ops: Operations
    bottom: Blob
    top: Blob
    parameters: Sequence[Parameter] = field(default=(), init=False)


@dataclass
class Convolution:
    """Kernels over maps (paper, 3.5); `groups` is the number of columns that do not see each other here."""

    ops: Operations
    bottom: Blob
    top: Blob
    weight: Parameter
    bias: Parameter
    settings: dict[str, int]  # stride, pad, groups
    fused: dict[str, Any] = field(default_factory=dict)  # relu=True where the engine does it in the same pass

    @property
    def parameters(self) -> Sequence[Parameter]:
        return self.weight, self.bias

    @property
    def products(self) -> tuple[int, int]:
        """Multiplications for one image, (forward, backward): fewer than the definition's, where an engine can."""
        own = self.ops.conv_products(self.weight.value, self.top.value, **self.settings)
        if self.bottom.gradient is None:
            return own, own
        return own, own + self.ops.conv_products(self.weight.value, self.bottom.value, **self.settings | {"stride": 1})

    def forward(self, now: Pass) -> None:
        weight, bias = self.weight.value, self.bias.value
        self.ops.conv_forward(self.bottom.value, weight, bias, self.top.value, **self.settings, **self.fused)

    def backward(self, now: Pass) -> None:
        dy, dw, db = self.top.gradient, self.weight.gradient, self.bias.gradient
        self.ops.conv_backward_weights(self.bottom.value, dy, dw, db, **self.settings)
        if self.bottom.gradient is not None:
            self.ops.conv_backward_data(dy, self.weight.value, self.bottom.gradient, **self.settings)


@dataclass
class FullyConnected:
    """Units that see every value below (paper, 3.5)."""

    ops: Operations
    bottom: Blob
    top: Blob
    weight: Parameter
    bias: Parameter
    fused: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> Sequence[Parameter]:
        return self.weight, self.bias

    def forward(self, now: Pass) -> None:
        self.ops.fc_forward(self.bottom.value, self.weight.value, self.bias.value, self.top.value, **self.fused)

    def backward(self, now: Pass) -> None:
        dy, dw, db = self.top.gradient, self.weight.gradient, self.bias.gradient
        self.ops.fc_backward_weights(self.bottom.value, dy, dw, db)
        if self.bottom.gradient is not None:
            self.ops.fc_backward_data(dy, self.weight.value, self.bottom.gradient)


@dataclass
class MaxPooling(Bare):
    """The largest value of each window (paper, 3.4)."""

    spec: MaxPool
    argmax: Tensor

    def forward(self, now: Pass) -> None:
        size, stride = self.spec.size, self.spec.stride
        self.ops.max_pool_forward(self.bottom.value, self.top.value, self.argmax, size=size, stride=stride)

    def backward(self, now: Pass) -> None:
        size, stride = self.spec.size, self.spec.stride
        dy, dx = self.top.gradient, self.bottom.gradient
        self.ops.max_pool_backward(dy, self.argmax, dx, size=size, stride=stride)


@dataclass
class AveragePooling(Bare):
    """The mean of each window."""

    spec: AveragePool

    def forward(self, now: Pass) -> None:
        size, stride = self.spec.size, self.spec.stride
        self.ops.average_pool_forward(self.bottom.value, self.top.value, size=size, stride=stride)

    def backward(self, now: Pass) -> None:
        size, stride = self.spec.size, self.spec.stride
        self.ops.average_pool_backward(self.top.gradient, self.bottom.gradient, size=size, stride=stride)


def _response(spec: Lrn | LrnSpatial) -> dict[str, Any]:
    return {"n": spec.n, "k": spec.k, "alpha": spec.alpha, "beta": spec.beta}


@dataclass
class ResponseNormalisation(Bare):
    """Over adjacent maps of the same column (paper, 3.3)."""

    spec: Lrn
    groups: int

    def forward(self, now: Pass) -> None:
        self.ops.lrn_forward(self.bottom.value, self.top.value, groups=self.groups, **_response(self.spec))

    def backward(self, now: Pass) -> None:
        x, dy, dx = self.bottom.value, self.top.gradient, self.bottom.gradient
        self.ops.lrn_backward(x, dy, dx, groups=self.groups, **_response(self.spec))


@dataclass
class SpatialResponseNormalisation(Bare):
    """Over a window of the same map (the authors' code)."""

    spec: LrnSpatial

    def forward(self, now: Pass) -> None:
        self.ops.lrn_spatial_forward(self.bottom.value, self.top.value, **_response(self.spec))

    def backward(self, now: Pass) -> None:
        x, dy, dx = self.bottom.value, self.top.gradient, self.bottom.gradient
        self.ops.lrn_spatial_backward(x, dy, dx, **_response(self.spec))


@dataclass
class Rectifier(Bare):
    """max(0, x), in place (paper, 3.1)."""

    def forward(self, now: Pass) -> None:
        self.ops.relu_forward(self.bottom.value, self.top.value)

    def backward(self, now: Pass) -> None:
        self.ops.relu_backward(self.top.value, self.top.gradient, self.bottom.gradient)


@dataclass
class Rectified(Rectifier):
    """ReLU whose forward pass is part of the layer below."""

    def forward(self, now: Pass) -> None:
        """Done."""


@dataclass
class HyperbolicTangent(Bare):
    """tanh(x), in place (paper, 3.1)."""

    def forward(self, now: Pass) -> None:
        self.ops.tanh_forward(self.bottom.value, self.top.value)

    def backward(self, now: Pass) -> None:
        self.ops.tanh_backward(self.top.value, self.top.gradient, self.bottom.gradient)


@dataclass
class DropOut(Bare):
    """Units zeroed at random in training, all of them times the share kept at test; in place (paper, 4.2).

    A dropped unit's value and gradient are both zero, so an activation below, which reads its own output in the
    backward pass, may share the memory.
    """

    name: str
    first_unit: int

    def forward(self, now: Pass) -> None:
        if now.training:
            self._drop(self.bottom.value, self.top.value, now)
        else:
            self.ops.scale(self.bottom.value, self.top.value, factor=1.0 - now.dropout)

    def backward(self, now: Pass) -> None:
        self._drop(self.top.gradient, self.bottom.gradient, now)

    def _drop(self, x: Tensor, y: Tensor, now: Pass) -> None:
        self.ops.dropout(
            x,
            y,
            rate=now.dropout,
            seed=now.seed,
            step=now.step,
            layer=draws.layer_key(self.name),
            first_unit=self.first_unit,
            first_image=now.first_image,
        )


@dataclass
class Crossing(Bare):
    """The columns meet: forward gathers their maps, backward sums their gradients (paper, 3.2)."""

    link: Link

    def forward(self, now: Pass) -> None:
        self.link.gather(self.bottom.value, self.top.value)

    def backward(self, now: Pass) -> None:
        self.link.scatter(self.top.gradient, self.bottom.gradient)


@dataclass
class SoftmaxLoss(Bare):
    """Softmax and -log p[label]; the gradient is of the mean over the whole batch.

    After a crossing every process of a group has the same logits: each owns an equal share of the loss, and the
    crossing's sum makes it whole.
    """

    labels: Tensor
    losses: Tensor
    shares: int

    def forward(self, now: Pass) -> None:
        self.ops.softmax_loss(
            self.bottom.value,
            self.labels[: now.images],
            self.top.value,
            self.bottom.gradient,
            self.losses[: now.images],
            images=now.images,
            factor=1.0 / (now.batch * self.shares),
        )

    def backward(self, now: Pass) -> None:
        """The forward pass has left the gradient below."""
