"""What a recipe may say: a frozen dataclass a table and a kind of layer, each key with its type and range."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Range:
    """The numbers a key accepts: `low` to `high`, the ends included unless said otherwise."""

    low: float
    high: float = math.inf
    above: bool = False
    below: bool = False

    def holds(self, value: float) -> bool:
        """Whether `value` lies inside."""
        over = value > self.low if self.above else value >= self.low
        under = value < self.high if self.below else value <= self.high
        return over and under

    def __str__(self) -> str:
        low = f"{'above' if self.above else 'from'} {self.low:g}"
        if self.high == math.inf:
            return f"{low} on" if not self.above else low
        return f"{low} to {'below ' if self.below else ''}{self.high:.10g}"


Count = Annotated[int, Range(1, LARGEST)]
Whole = Annotated[int, Range(0, LARGEST)]
Positive = Annotated[float, Range(0, above=True)]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1, below=True)]
Edge = Literal["floor", "ceil"]
Method = Literal["fast", "direct"]
Precision = Literal["fp32", "tf32", "bf16"]
Setting = bool | int | float | str
KINDS: dict[str, type["LayerSpec"]] = {}  # every class below with a `kind` of its own


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """A line of `net.layers`: its kind is the line's first key, its name that key's value."""

    kind: ClassVar[str]
    name: str

    def __init_subclass__(cls) -> None:
        if "kind" in vars(cls):
            KINDS[cls.kind] = cls


@dataclass(frozen=True, kw_only=True)
class Weighted(LayerSpec):
    """A layer with weights: how they begin, and their shares of the net's rate and decay (section 5).

    `std` is the deviation of the normal initial weights, or "he" for sqrt(2 / fan in).
    """

    std: NotNegative | Literal["he"] = 0.01
    bias: float = 0.0
    rate_times: NotNegative = 1.0
    bias_rate_times: NotNegative = 1.0
    decay_times: NotNegative = 1.0
    bias_decay_times: NotNegative = 0.0


@dataclass(frozen=True, kw_only=True)
class Kernels(Weighted):
    """Weights on windows of size x size; `kernels` counts those of all columns, `edge` rounds the output's size."""

    kernels: Count
    size: Count
    stride: Count = 1
    pad: Whole = 0
    edge: Edge = "floor"


@dataclass(frozen=True, kw_only=True)
class Conv(Kernels):
    """Convolution (section 3.5): the same kernels at every place."""

    kind: ClassVar[str] = "conv"


@dataclass(frozen=True, kw_only=True)
class Local(Kernels):
    """Locally connected: each place of the output has its own kernels and biases (the authors' CIFAR-10 nets)."""

    kind: ClassVar[str] = "local"


@dataclass(frozen=True, kw_only=True)
class Fc(Weighted):
    """Fully connected layer; `units` counts those of all columns, "classes" means as many as the data has."""

    kind: ClassVar[str] = "fc"
    units: Count | Literal["classes"]


@dataclass(frozen=True, kw_only=True)
class Pool(LayerSpec):
    """Pooling over size x size windows, `stride` apart (section 3.4)."""

    size: Count
    stride: Count
    edge: Edge = "ceil"


@dataclass(frozen=True, kw_only=True)
class MaxPool(Pool):
    """The largest value of each window."""

    kind: ClassVar[str] = "max_pool"


@dataclass(frozen=True, kw_only=True)
class AveragePool(Pool):
    """The mean of each window, over the values that lie inside the map."""

    kind: ClassVar[str] = "average_pool"


@dataclass(frozen=True, kw_only=True)
class Response(LayerSpec):
    """A value a becomes a / (k + alpha * sum of a^2 over n neighbours)^beta (section 3.3)."""

    n: Count
    k: Positive
    alpha: NotNegative
    beta: NotNegative


@dataclass(frozen=True, kw_only=True)
class Lrn(Response):
    """Response normalisation over n adjacent maps at the same place."""

    kind: ClassVar[str] = "lrn"


@dataclass(frozen=True, kw_only=True)
class LrnSpatial(Response):
    """Response normalisation over an n x n window of the same map (the authors' code)."""

    kind: ClassVar[str] = "lrn_spatial"


@dataclass(frozen=True, kw_only=True)
class Relu(LayerSpec):
    """max(0, x) (section 3.1)."""

    kind: ClassVar[str] = "relu"


@dataclass(frozen=True, kw_only=True)
class Tanh(LayerSpec):
    """tanh(x) (section 3.1)."""

    kind: ClassVar[str] = "tanh"


@dataclass(frozen=True, kw_only=True)
class Dropout(LayerSpec):
    """Zeroes a value with the recipe's probability `dropout` (section 4.2)."""

    kind: ClassVar[str] = "dropout"


@dataclass(frozen=True, kw_only=True)
class Exchange(LayerSpec):
    """A crossing: after it every column sees the maps of all (section 3.2)."""

    kind: ClassVar[str] = "exchange"


@dataclass(frozen=True, kw_only=True)
class Apart(LayerSpec):
    """The columns part again: each sees its own maps only, as below a crossing (nets whose normalisation crosses)."""

    kind: ClassVar[str] = "apart"


@dataclass(frozen=True, kw_only=True)
class Softmax(LayerSpec):
    """Softmax and the mean of -log p[label] (section 3.5)."""

    kind: ClassVar[str] = "softmax"


@dataclass(frozen=True, kw_only=True)
class NetSpec:
    """The topology: how many columns, the side of the image it sees, the layers from image to loss."""

    columns: Count = 2
    crop: Count = 224
    layers: tuple[LayerSpec, ...]

    @property
    def first_kernels(self) -> str | None:
        """The convolution whose kernels see the image itself (Fig. 3); None where the lowest weights are others."""
        lowest = next((layer for layer in self.layers if isinstance(layer, Weighted)), None)
        return lowest.name if isinstance(lowest, Conv) else None

    @property
    def last_hidden(self) -> str:
        """The layer whose values describe an image (section 6.1): the last activation below the last FC layer."""
        last = max((at for at, layer in enumerate(self.layers) if isinstance(layer, Fc)), default=len(self.layers))
        below = self.layers[:last] or self.layers
        return next((each.name for each in reversed(below) if isinstance(each, Relu | Tanh)), below[-1].name)


@dataclass(frozen=True, kw_only=True)
class AugmentSpec:
    """What happens to a training image (section 4.1).

    Crops begin at 0..`offsets`-1 on each axis; `share` images in a row share a crop and a reflection.
    The colour noise is `colour_std` * N(0, 1) times the eigenvalues of pixels in 0..1, or the deviations
    (their square roots) of pixels in 0..255; with it the image is divided by `divide`.
    """

    crop: Literal["random", "centre"] = "random"
    offsets: Count = 32
    share: Count = 1
    reflect: bool = True
    colour: bool = True
    colour_std: NotNegative = 0.1
    colour_by: Literal["eigenvalues", "deviations"] = "eigenvalues"
    divide: Positive = 1.0


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """The order of the images, a new one each epoch or always that of the shards; and how they are read.

    `access` changes no number: "mapped" takes single images from the mapped shards, "blocks" reads ahead in long runs,
    for disks that seek and network file systems.

    `mean` is what is subtracted: the mean at each pixel of the image (section 2), or the middle of the mean image,
    the same from every crop (the authors' CIFAR-10 nets). `train` names the splits that are trained on; an event may
    add val at a whole epoch, and from then on there is nothing left to validate on.
    """

    shuffle: bool = True
    access: Literal["mapped", "blocks"] = "mapped"
    mean: Literal["pixels", "centre"] = "pixels"
    train: Literal["train", "train+val"] = "train"

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of those trained on."""
        return tuple(self.train.split("+"))


@dataclass(frozen=True, kw_only=True)
class EngineSpec:
    """How the engine computes; the results agree within rounding.

    On the CPU "fast" convolutions make fewer products where their shape allows it, "direct" ones make them all.
    `precision` is that of the products, and bf16 also that of maps: tf32 needs a GPU, bf16 a GPU or a CPU with AMX,
    whose convolutions are then direct; weights, momenta and sums are always fp32. A run that was trained in bf16 is
    evaluated in fp32 on a CPU, unless `--precision bf16` asks for the same.
    """

    convolution: Method = "fast"
    precision: Precision = "fp32"

    @property
    def fast(self) -> bool:
        """Whether convolutions are fast ones."""
        return self.convolution == "fast"


@dataclass(frozen=True, kw_only=True)
class Event:
    """Changes that take effect once `epoch` epochs are done, of which there may be a fraction."""

    epoch: NotNegative
    set: Mapping[str, Setting]


@dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """Gradient descent (section 5). The rate is multiplied by `drop_factor` `drops` times when the validation
    error has not improved for `patience` validations ("plateau"), or at the step that completes each of
    `drop_epochs` epochs, which may be fractions ("epochs"); biases follow these drops if `bias_drops`.
    """

    batch: Count = 128
    epochs: Count = 90
    rate: NotNegative = 0.01
    momentum: Share = 0.9
    decay: NotNegative = 0.0005
    schedule: Literal["plateau", "epochs"] = "plateau"
    drops: Whole = 3
    drop_factor: Annotated[float, Range(0, 1, above=True)] = 0.1
    patience: Count = 5
    drop_epochs: tuple[NotNegative, ...] = ()
    bias_drops: bool = True
    checkpoint_steps: Count = 1000
    checkpoints_kept: Count = 3
    validate_epochs: Count = 1
    events: tuple[Event, ...] = ()
