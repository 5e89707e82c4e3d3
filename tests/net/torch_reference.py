"""The net at test time by PyTorch in float64, written from the paper's formulas; knows nothing of the export."""

import numpy as np
import torch
import torch.nn.functional as F

from alexnet.recipe import Recipe
from alexnet.recipe.spec import AveragePool, Conv, Dropout, Fc, Kernels, Local, Lrn, LrnSpatial, MaxPool, Relu, Tanh

Arrays = dict[str, np.ndarray]


def logits(recipe: Recipe, weights: Arrays, images: np.ndarray) -> np.ndarray:
    """The softmax's inputs (n, classes) for mean-subtracted images (n, 3, side, side)."""
    x, split = torch.tensor(images, dtype=torch.float64), False
    arrays = {name: torch.tensor(values, dtype=torch.float64) for name, values in weights.items()}
    columns = recipe.net.columns
    for layer in recipe.net.layers:
        groups = columns if split else 1
        match layer:
            case Conv():
                x = convolution(x, arrays, layer, groups)
            case Local():
                x = locally(x, arrays, layer, groups)
            case Fc():
                parts = x.flatten(1).chunk(groups, 1)
                rows = arrays[f"{layer.name}.weight"]
                cuts = [column * len(rows) // groups for column in range(1, groups)]
                rows = rows.tensor_split(cuts)
                x = torch.cat([part @ row.T for part, row in zip(parts, rows, strict=True)], 1)
                x = (x + arrays[f"{layer.name}.bias"])[:, :, None, None]
            case MaxPool():
                x = pool(x, layer.size, layer.stride, torch.amax)
            case AveragePool():
                x = pool(x, layer.size, layer.stride, torch.mean)
            case Lrn():
                x = torch.cat([lrn(part, layer) for part in x.chunk(groups, 1)], 1)
            case LrnSpatial():
                x = lrn_spatial(x, layer)
            case Relu():
                x = x.clamp(min=0)
            case Tanh():
                x = x.tanh()
            case Dropout():
                x = x * (1 - recipe.dropout)
        if isinstance(layer, Kernels | Fc):
            split = columns > 1
        elif layer.kind == "exchange":
            split = False
    return x.flatten(1).numpy()


def padded(x: torch.Tensor, layer: Kernels) -> torch.Tensor:
    """224 -> 55 by reading zeros beyond the right and bottom edge (PAPER, geometry)."""
    beyond = 0
    if layer.edge == "ceil":
        beyond = -(x.shape[-1] + 2 * layer.pad - layer.size) % layer.stride
    return F.pad(x, (layer.pad, layer.pad + beyond) * 2)


def locally(x: torch.Tensor, arrays: Arrays, layer: Local, groups: int) -> torch.Tensor:
    """Each place's window times kernels of its own."""
    w, b = arrays[f"{layer.name}.weight"], arrays[f"{layer.name}.bias"]
    windows = padded(x, layer).unfold(2, layer.size, layer.stride).unfold(3, layer.size, layer.stride)
    parts = zip(windows.chunk(groups, 1), w.chunk(groups), strict=True)
    return torch.cat([torch.einsum("ncyxij,kyxcij->nkyx", part, own) for part, own in parts], 1) + b


def convolution(x: torch.Tensor, arrays: Arrays, layer: Conv, groups: int) -> torch.Tensor:
    x = padded(x, layer)
    w, b = arrays[f"{layer.name}.weight"], arrays[f"{layer.name}.bias"]
    return F.conv2d(x, w, b, stride=layer.stride, groups=groups)


def pool(x: torch.Tensor, size: int, stride: int, take) -> torch.Tensor:
    """Windows begin every `stride` pixels until one reaches the edge; it is clipped there."""
    side = x.shape[-1]
    starts = list(range(0, side, stride))
    starts = starts[: next(i for i, start in enumerate(starts) if start + size >= side) + 1]
    rows = [torch.stack([take(x[..., y : y + size, z : z + size], dim=(-2, -1)) for z in starts], -1) for y in starts]
    return torch.stack(rows, -2)


def lrn(a: torch.Tensor, layer: Lrn) -> torch.Tensor:
    """Section 3.3, map by map."""
    maps, half = a.shape[1], layer.n // 2
    out = []
    for i in range(maps):
        near = a[:, max(0, i - half) : min(maps - 1, i + half) + 1]
        out.append(a[:, i] / (layer.k + layer.alpha * (near**2).sum(1)) ** layer.beta)
    return torch.stack(out, 1)


def lrn_spatial(a: torch.Tensor, layer: LrnSpatial) -> torch.Tensor:
    """The same with the sum over the n x n window of the same map."""
    half = layer.n // 2
    sums = F.pad(a**2, (half,) * 4).unfold(2, layer.n, 1).unfold(3, layer.n, 1).sum((-2, -1))
    return a / (layer.k + layer.alpha * sums) ** layer.beta
