"""torchvision's AlexNet: its names and conventions, to the recipe `one-weird-trick` and back.

It sees (pixels / 255 - mean) / deviation: the first kernels take in the division. It doubles what dropout leaves in
training where this program halves at test: the weights above a dropout differ by that factor.
"""

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import Failure
from alexnet.net.weights import Weights, fitting
from alexnet.recipe import Recipe, load
from alexnet.recipe.topology import topology

RECIPE = "one-weird-trick"
SHARES = (0.485, 0.456, 0.406)  # the mean of pixels in 0..1, RGB
DEVIATIONS = (0.229, 0.224, 0.225)
MEAN = (255 * SHARES[0], 255 * SHARES[1], 255 * SHARES[2])
NAMES = {
    **{"conv1": "features.0", "conv2": "features.3", "conv3": "features.6", "conv4": "features.8"},
    **{"conv5": "features.10", "fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6"},
}
ABOVE_DROPOUT = ("fc6.weight", "fc7.weight")
FULL = "the state_dict of torchvision.models.alexnet()"


def taken(arrays: Weights) -> tuple[Recipe, Weights]:
    """The recipe and weights that a state_dict is. Raises Failure where it is another net's."""
    theirs = {f"{name}.{part}": f"{there}.{part}" for name, there in NAMES.items() for part in ("weight", "bias")}
    for there in arrays:
        if there not in theirs.values():
            raise Failure(f"an array named {there}: give {FULL}")
    for there in theirs.values():
        if there not in arrays:
            raise Failure(f"no array named {there}: give {FULL}")
    recipe = load(RECIPE)
    weights = _rescaled({here: arrays[there] for here, there in theirs.items()}, recipe, back=False)
    return recipe, fitting(weights, topology(recipe.net, len(weights["fc8.bias"])))


def given(weights: Weights, recipe: Recipe, classes: int) -> Weights:
    """The state_dict that weights are. Raises Failure where the recipe's net is another."""
    if recipe.net != load(RECIPE).net:
        raise Failure(f"torchvision's AlexNet is the recipe {RECIPE}, and this net is another; export it without --as")
    fitting(weights, topology(recipe.net, classes))
    scaled = _rescaled(weights, recipe, back=True)
    return {f"{NAMES[name.partition('.')[0]]}.{name.partition('.')[2]}": values for name, values in scaled.items()}


def _rescaled(weights: Weights, recipe: Recipe, *, back: bool) -> Weights:
    """The weights by this program's conventions, or `back` by torchvision's."""
    divisors = 255 * np.array(DEVIATIONS, np.float64)[:, None, None]
    kept = 1 - recipe.dropout

    def scaled(values: NDArray[np.float32], divisor: NDArray[np.float64] | float) -> NDArray[np.float32]:
        return (values * divisor if back else values / divisor).astype(np.float32)

    changed = {name: scaled(weights[name], kept) for name in ABOVE_DROPOUT}
    if weights["conv1.weight"].ndim == 4 and weights["conv1.weight"].shape[1] == len(DEVIATIONS):
        changed["conv1.weight"] = scaled(weights["conv1.weight"].astype(np.float64), divisors)
    return {**weights, **changed}
