"""The layers of a net at work: each reads its bottom blob, writes its top blob, and takes the gradient back.

A layer holds the memory it works on, given once when the net is built; nothing is allocated in a step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypedDict

from alexnet.engines import Fused, Operations, Own, Scalar, Tensor, draws
from alexnet.links import Link
from alexnet.recipe.spec import Response, Weighted


@dataclass
class Blob:
    """The maps between two layers, and the loss's gradient by them (None where nobody needs it)."""

    value: Tensor
    gradient: Tensor | None


@dataclass
class Parameter:
    """Kernels or biases: the rows that this process owns, with their momentum and gradient (None at test time)."""

    name: str
    spec: Weighted
    is_bias: bool
    fan_in: int  # how many values a unit sees
    rows: range
    shape: tuple[int, ...]  # of all rows, in the plain form
    value: Tensor
    momentum: Tensor | None = None
    gradient: Tensor | None = None  # also None where it is used at once (`Fusion.descends`)


@dataclass(frozen=True)
class Descent:
    """A parameter's move: v <- momentum v - decay rate w - rate g; w <- w + v (paper, 5)."""

    rate: Scalar
    momentum: Scalar
    decay: Scalar


@dataclass(frozen=True)
class Pass:
    """What one pass through the net is about: which images of which step, training or test.

    `descents` are the moves of a training's step by the parameters' names; a parameter without one rests.
    """

    images: int
    batch: int
    first_image: int = 0
    step: Scalar = 0
    seed: int = 0
    dropout: float = 0.0
    training: bool = False
    descents: Mapping[str, Descent] = field(default_factory=dict, compare=False)


class Layer(Protocol):
    """A layer at work; `name` is the recipe's."""

    name: str
    bottom: Blob
    top: Blob

    @property
    def parameters(self) -> Sequence[Parameter]: ...

    def forward(self, now: Pass) -> None: ...

    def backward(self, now: Pass) -> None: ...


@dataclass
class Bare:
    """What layers without parameters share."""

    name: str
    ops: Operations
    bottom: Blob
    top: Blob
    parameters: Sequence[Parameter] = field(default=(), init=False)


@dataclass
class MaxPooling(Bare):
    """The largest value of each window (paper, 3.4)."""

    size: int
    stride: int
    argmax: Tensor

    def forward(self, now: Pass) -> None:
        self.ops.max_pool_forward(self.bottom.value, self.top.value, self.argmax, size=self.size, stride=self.stride)

    def backward(self, now: Pass) -> None:
        dy, dx = self.top.gradient, self.bottom.gradient
        self.ops.max_pool_backward(dy, self.argmax, dx, size=self.size, stride=self.stride)


@dataclass
class AveragePooling(Bare):
    """The mean of each window."""

    size: int
    stride: int

    def forward(self, now: Pass) -> None:
        self.ops.average_pool_forward(self.bottom.value, self.top.value, size=self.size, stride=self.stride)

    def backward(self, now: Pass) -> None:
        self.ops.average_pool_backward(self.top.gradient, self.bottom.gradient, size=self.size, stride=self.stride)


class _Settings(TypedDict):
    n: int
    k: float
    alpha: float
    beta: float


def _settings(of: Response) -> _Settings:
    return {"n": of.n, "k": of.k, "alpha": of.alpha, "beta": of.beta}


@dataclass
class ResponseNormalisation(Bare):
    """Over adjacent maps of the same column (paper, 3.3).

    Where it `masks`, ReLU gave the values below, and the gradient is that before it.
    """

    response: Response
    groups: int
    masks: bool

    def forward(self, now: Pass) -> None:
        self.ops.lrn_forward(self.bottom.value, self.top.value, groups=self.groups, **_settings(self.response))

    def backward(self, now: Pass) -> None:
        x, dy, dx = self.bottom.value, self.top.gradient, self.bottom.gradient
        relu = {"relu": True} if self.masks else {}
        self.ops.lrn_backward(x, dy, dx, groups=self.groups, **relu, **_settings(self.response))


@dataclass
class PooledResponses(Bare):
    """Those of a normalisation which the pooling above makes on its way: here nothing is left to do."""

    def forward(self, now: Pass) -> None:
        """Nothing."""

    def backward(self, now: Pass) -> None:
        """Nothing."""


@dataclass
class ResponsePooling(MaxPooling):
    """The largest response of each window, of the values below the normalisation (paper, 3.3 and 3.4).

    Where it `masks`, ReLU gave those values, and the gradient is that before it.
    """

    response: Response
    groups: int
    fused: Fused
    masks: bool

    def forward(self, now: Pass) -> None:
        x, y, settings = self.bottom.value, self.top.value, _settings(self.response)
        self.fused.lrn_max_pool_forward(
            x, y, self.argmax, groups=self.groups, size=self.size, stride=self.stride, **settings
        )

    def backward(self, now: Pass) -> None:
        x, dy, dx, settings = self.bottom.value, self.top.gradient, self.bottom.gradient, _settings(self.response)
        self.fused.lrn_max_pool_backward(
            x, dy, self.argmax, dx, groups=self.groups, size=self.size, stride=self.stride, relu=self.masks, **settings
        )


@dataclass
class SpatialResponseNormalisation(Bare):
    """Over a window of the same map (the authors' code)."""

    response: Response

    def forward(self, now: Pass) -> None:
        self.ops.lrn_spatial_forward(self.bottom.value, self.top.value, **_settings(self.response))

    def backward(self, now: Pass) -> None:
        x, dy, dx = self.bottom.value, self.top.gradient, self.bottom.gradient
        self.ops.lrn_spatial_backward(x, dy, dx, **_settings(self.response))


@dataclass
class Rectifier(Bare):
    """max(0, x), in place (paper, 3.1); its passes may be part of a neighbour's, as `Fusion` has it."""

    rectified: bool
    masked: bool

    def forward(self, now: Pass) -> None:
        if not self.rectified:
            self.ops.relu_forward(self.bottom.value, self.top.value)

    def backward(self, now: Pass) -> None:
        if not self.masked:
            self.ops.relu_backward(self.top.value, self.top.gradient, self.bottom.gradient)


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

    first_unit: int

    def forward(self, now: Pass) -> None:
        if now.training:
            self._drop(self.bottom.value, self.top.value, now)
        else:
            self.ops.scale(self.bottom.value, self.top.value, factor=1.0 - now.dropout)

    def backward(self, now: Pass) -> None:
        self._drop(self.top.gradient, self.bottom.gradient, now)

    def _drop(self, x: Own, y: Own, now: Pass) -> None:
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
class Parting(Bare):
    """The columns part: each keeps its own of the maps that all have; backward, all get the whole gradient.

    It is a crossing the other way round: the link adds up what is the same in every column, and a crossing below adds
    up the gradients, so that each is shared out.
    """

    link: Link

    def forward(self, now: Pass) -> None:
        self.link.scatter(self.bottom.value, self.top.value)
        self._shared(self.top.value)

    def backward(self, now: Pass) -> None:
        self.link.gather(self.top.gradient, self.bottom.gradient)
        self._shared(self.bottom.gradient)

    def _shared(self, maps: Own) -> None:
        self.ops.scale(maps, maps, factor=1.0 / self.link.place.shares)


@dataclass
class SoftmaxLoss(Bare):
    """Softmax and -log p[label]; the gradient is of the mean over the whole batch.

    After a crossing every process of a group has the same logits: each owns an equal share of the loss, and the
    crossing's sum makes it whole.
    """

    truth: Blob  # the labels
    losses: Tensor
    shares: int

    def forward(self, now: Pass) -> None:
        self.ops.softmax_loss(
            self.bottom.value,
            self.truth.value[: now.images],
            self.top.value,
            self.bottom.gradient,
            self.losses[: now.images],
            images=now.images,
            factor=1.0 / (now.batch * self.shares),
        )

    def backward(self, now: Pass) -> None:
        """The forward pass has left the gradient below."""
