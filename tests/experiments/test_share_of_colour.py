"""Shares of colour, and columns that differ in it."""

from types import SimpleNamespace

import numpy as np
import pytest

from alexnet.errors import Failure
from alexnet.experiments.colour import colour_share, columns_apart, first_kernels
from alexnet.recipe import load


def kernels(count: int, colour: float) -> np.ndarray:
    """Grey noise, and so much noise of a channel's own."""
    draws = np.random.default_rng(count + int(10 * colour))
    grey = np.repeat(draws.normal(size=(count, 1, 5, 5)), 3, axis=1)
    return (grey + colour * draws.normal(size=(count, 3, 5, 5))).astype(np.float32)


def test_a_share_is_what_the_formula_says():
    found = kernels(4, 0.7)
    for kernel, share in zip(found, colour_share(found), strict=True):
        common = sum(3 * (sum(kernel[c, y, x] for c in range(3)) / 3) ** 2 for y in range(5) for x in range(5))
        assert share == pytest.approx(1 - common / float((kernel**2).sum()), rel=1e-5)


def test_grey_has_none_and_opposite_channels_have_all():
    grey = np.ones((1, 3, 2, 2), np.float32)
    opposite = np.stack([grey[0, 0], -grey[0, 0], 0 * grey[0, 0]])[None]
    assert colour_share(grey) == pytest.approx([0]) and colour_share(opposite) == pytest.approx([1])


def test_columns_apart_stand_out_from_random_halves():
    apart = columns_apart(np.concatenate([kernels(12, 0.1), kernels(13, 1.0)[:12]]), 2)
    assert apart.difference > apart.threshold > apart.expected > 0


def test_columns_alike_do_not():
    alike = columns_apart(kernels(24, 0.5), 2)
    assert alike.difference < alike.threshold


def test_the_kernels_are_those_that_see_the_image():
    def run(*changes):
        weights = {"conv1.weight": kernels(4, 0.5), "conv2.weight": kernels(5, 0.5)}
        checkpoint = SimpleNamespace(weights=weights)
        trained = SimpleNamespace(recipe=load("cifar-relu", changes), checkpoint=checkpoint)
        return SimpleNamespace(open=lambda job: SimpleNamespace(trained=trained))

    job = SimpleNamespace(name="net, seed 0")
    found, columns = first_kernels(run(), job)
    assert len(found) == 4 and columns == 1
    with pytest.raises(Failure, match="net, seed 0: its lowest weights are no convolution's"):
        first_kernels(run("net.conv1.kind=local"), job)
