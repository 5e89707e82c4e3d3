"""Nets of other programs: what a file of theirs says, as this program's recipe, weights and mean, and back.

A form is a module here: `torchvision` (its AlexNet's state_dict) and `caffe` (bvlc_alexnet as ONNX).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import Failure, reason
from alexnet.net import caffe, torchvision
from alexnet.net.weights import Weights, load_safetensors, save_safetensors
from alexnet.recipe import Recipe

Form = Literal["torchvision", "caffe"]
SIZE = 256  # of the images whose crops these nets see, unless they see more


@dataclass(frozen=True)
class Foreign:
    """A net of another program: `mean` is what it subtracts, RGB of 0..255, and `weights` are in the plain form."""

    name: str  # of the recipe
    recipe: Recipe
    weights: Weights
    mean: tuple[float, float, float]

    @property
    def classes(self) -> int:
        """How many it tells apart."""
        return len(self.weights[list(self.weights)[-1]])

    def mean_image(self) -> NDArray[np.float32]:
        """(S, S, 3), the same everywhere."""
        side = max(SIZE, self.recipe.net.crop)
        return np.tile(np.array(self.mean, np.float32), (side, side, 1))


def read(path: Path) -> Foreign:
    """The net in a file, known by its suffix. Raises Failure where it is none of the two."""
    readers: dict[str, Callable[[], Foreign]] = {
        ".safetensors": lambda: _torchvision(load_safetensors(path)),
        ".pth": lambda: _torchvision(_pickled(path)),
        ".onnx": lambda: _caffe(path),
    }
    if not path.is_file() or path.suffix not in readers:
        here = "no net that is known" if path.exists() else "no such file"
        raise Failure(f"{path}: {here}; give torchvision's AlexNet (.safetensors, .pth) or bvlc_alexnet (.onnx)")
    try:
        found = readers[path.suffix]()
    except Failure as failure:
        text = str(failure)
        raise Failure(text if text.startswith(str(path)) else f"{path}: {text}") from None
    return found


def write(path: Path, form: Form, recipe: Recipe, classes: int, weights: Weights, mean: NDArray[np.float32]) -> None:
    """Write a net in another program's form. Raises Failure where the form has no place for what the net is."""
    wanted = {"torchvision": (".safetensors", torchvision.MEAN), "caffe": (".onnx", caffe.MEAN)}
    suffix, own = wanted[form]
    if path.suffix != suffix:
        raise Failure(f"{path}: end its name with {suffix}")
    if np.abs(mean - np.array(own, np.float32)).max() > 1e-3:
        raise Failure(f"{path}: this net subtracts another mean than {form}; export it without --as")
    if form == "torchvision":
        save_safetensors(path, torchvision.given(weights, recipe, classes))
    else:
        caffe.write(path, recipe, classes, weights)


def _torchvision(arrays: Weights) -> Foreign:
    recipe, weights = torchvision.taken(arrays)
    return Foreign(torchvision.RECIPE, recipe, weights, torchvision.MEAN)


def _caffe(path: Path) -> Foreign:
    recipe, weights = caffe.read(path)
    return Foreign(path.stem, recipe, weights, caffe.MEAN)


def _pickled(path: Path) -> Weights:
    """A .pth by PyTorch's own reader, which takes arrays alone from it and runs nothing."""
    try:
        import torch
    except ImportError:
        raise Failure("a .pth needs PyTorch: pip install torch, or name a .safetensors file") from None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): np.asarray(values.numpy(), np.float32) for name, values in found.items()}
    except Exception as error:  # whatever a damaged or hostile file leads its reader to
        raise Failure(f"not a state_dict of arrays alone ({reason(error)[:200]}); save it again") from error
