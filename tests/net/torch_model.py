"""An independent AlexNet in PyTorch, written from the paper: functions over named weights in the plain form.

ReLU and max pooling have kinks: where two values agree within rounding, two right programs may choose differently,
and a gradient then takes another way. `Kinks` gives this model the other program's choices, and insists that each
differs from its own only where the values do agree within rounding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = Mapping[str, Tensor]
ROUNDING = 1e-5  # of the largest value


@dataclass
class Kinks:
    """Choices by layer: where a ReLU passes (n, maps, h, w), and the place in each pooling window (n, maps, h, w)."""

    choices: Mapping[str, Tensor] = field(default_factory=dict)

    def relu(self, name: str, x: Tensor) -> Tensor:
        if name not in self.choices:
            return F.relu(x)
        passes = self.choices[name].reshape(x.shape)
        differs = passes != (x > 0)
        assert (x[differs].abs() <= ROUNDING * x.abs().max()).all(), f"{name} passes other values"
        return x * passes

    def pool(self, name: str, x: Tensor) -> Tensor:
        if name not in self.choices:
            return F.max_pool2d(x, 3, 2)
        windows = x.unfold(2, 3, 2).unfold(3, 3, 2).flatten(4)
        chosen = windows.gather(4, self.choices[name].long().unsqueeze(4)).squeeze(4)
        lost = windows.max(dim=4).values - chosen
        assert lost.max() <= ROUNDING * x.abs().max(), f"{name} takes other values"
        return chosen


def _response(x: Tensor) -> Tensor:
    """Section 3.3, the sum inside each column; PyTorch divides alpha by n."""
    columns = x.chunk(2, dim=1)
    return torch.cat([F.local_response_norm(each, size=5, alpha=5 * 1e-4, beta=0.75, k=2.0) for each in columns], 1)


def _conv(x: Tensor, w: Weights, number: int, kinks: Kinks, stride: int = 1, pad: int = 0, columns: int = 1) -> Tensor:
    weight, bias = w[f"conv{number}.weight"], w[f"conv{number}.bias"]
    return kinks.relu(f"relu{number}", F.conv2d(x, weight, bias, stride, pad, groups=columns))


def _fc(x: Tensor, w: Weights, number: int, kinks: Kinks) -> Tensor:
    return kinks.relu(f"relu{number}", F.linear(x, w[f"fc{number}.weight"], w[f"fc{number}.bias"]))


def logits(w: Weights, images: Tensor, kinks: Kinks | None = None) -> Tensor:
    """(n, classes) from (n, 3, 224, 224) images with the mean subtracted; no dropout (section 3.5, Fig. 2)."""
    k = kinks or Kinks()
    x = F.pad(images, (0, 3, 0, 3))  # 224 -> 55: zeros beyond the right and bottom edge
    x = k.pool("pool1", _response(_conv(x, w, 1, k, stride=4)))
    x = k.pool("pool2", _response(_conv(x, w, 2, k, pad=2, columns=2)))
    x = _conv(x, w, 3, k, pad=1)
    x = _conv(x, w, 4, k, pad=1, columns=2)
    x = k.pool("pool5", _conv(x, w, 5, k, pad=1, columns=2)).flatten(1)
    x = _fc(_fc(x, w, 6, k), w, 7, k)
    return F.linear(x, w["fc8.weight"], w["fc8.bias"])


def train(w: dict[str, Tensor], batches: list[tuple[Tensor, Tensor]], rate: float) -> list[float]:
    """The loss of each step by the paper's update (section 5); decay acts on weights, not on biases."""
    momenta = {name: torch.zeros_like(value) for name, value in w.items()}
    losses = []
    for images, labels in batches:
        loss = F.cross_entropy(logits(w, images), labels)
        gradients = torch.autograd.grad(loss, list(w.values()))
        with torch.no_grad():
            for (name, value), gradient in zip(w.items(), gradients, strict=True):
                decay = 0.0005 if name.endswith("weight") else 0.0
                momenta[name].mul_(0.9).sub_(decay * rate * value).sub_(rate * gradient)
                value.add_(momenta[name])
        losses.append(float(loss.detach()))
    return losses
