"""What each random number depends on, and what it does not, in the program's own draws (paper, 4 and 5)."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from alexnet.data.shards import Dataset
from alexnet.engines import draws
from alexnet.engines.cpu import CpuEngine
from alexnet.recipe.spec import AugmentSpec
from alexnet.train.loader import draw_views
from alexnet.train.stream import Stream

IMAGES = 500  # of the made-up dataset whose stream is asked


class For(NamedTuple):
    """What a number may be for."""

    seed: int = 3
    epoch: int = 2
    step: int = 40
    layer: str = "drop6"
    batch: int = 20


def weights(now):
    return draws.normals(now.seed, now.layer, 0, 64)


def order(now):
    stream = Stream(IMAGES, now.batch, now.seed, shuffle=True)
    return stream.at(now.epoch * IMAGES + np.arange(IMAGES))[1]


def views(now, data):
    """Of every image in its own order, whichever place the epoch gives it; shifts along the colour axes."""
    stream = Stream(IMAGES, now.batch, now.seed, shuffle=True)
    places = now.epoch * IMAGES + np.arange(IMAGES)
    spec = AugmentSpec(offsets=8, colour_std=1.0)
    found, images = draw_views(stream, places, spec, data, 24), stream.at(places)[1]
    alpha = found.shift @ data.eigenvectors / data.eigenvalues
    return {
        name: values[np.argsort(images)]
        for name, values in {"offsets": found.offsets, "reflect": found.reflect, "shift": alpha}.items()
    }


def dropout(now):
    """Which units pass, (images, units)."""
    engine = CpuEngine(1)
    x, y = engine.maps(64, 32, 1, 1), engine.maps(64, 32, 1, 1)
    engine.pack(np.ones((64, 32, 1, 1), np.float32), x)
    place = {"layer": draws.layer_key(now.layer), "first_unit": 0, "first_image": 0}
    engine.ops.dropout(x, y, rate=0.5, seed=now.seed, step=now.step, **place)
    return engine.unpack(y, 64)[:, :, 0, 0]


OTHER = {"seed": 4, "epoch": 3, "step": 41, "layer": "drop7", "batch": 30}
DEPENDS = {
    "weights": {"seed", "layer"},
    "order": {"seed", "epoch"},
    "offsets": {"seed", "epoch"},
    "reflect": {"seed", "epoch"},
    "shift": {"seed", "epoch"},
    "dropout": {"seed", "step", "layer"},
}


@pytest.fixture
def drawn(workshop):
    """Draws of each kind."""
    data = Dataset(workshop.data)
    return lambda now: {"weights": weights(now), "order": order(now), "dropout": dropout(now)} | views(now, data)


@pytest.mark.parametrize("what", OTHER)
def test_a_draw_differs_with_what_it_is_for_and_with_nothing_else(drawn, what):
    one, other = drawn(For()), drawn(For()._replace(**{what: OTHER[what]}))
    for kind, known in DEPENDS.items():
        assert np.array_equal(one[kind], other[kind]) == (what not in known), kind


@pytest.mark.parametrize("kind", DEPENDS)
def test_draws_that_differ_have_nothing_to_do_with_each_other(drawn, kind):
    """The correlation of two draws, of images, and of units, is that of chance: five deviations of it."""
    for what in DEPENDS[kind]:
        first, second = (
            drawn(now)[kind].astype(np.float64).ravel() for now in (For(), For()._replace(**{what: OTHER[what]}))
        )
        assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(len(first)), what
    if kind in ("offsets", "shift", "dropout"):
        values = drawn(For())[kind].astype(np.float64)
        between = np.corrcoef(values.T) - np.eye(values.shape[1])
        assert np.abs(between).max() < 5 / np.sqrt(len(values)), "units, axes or colours"
    if kind == "dropout":
        between = np.corrcoef(values) - np.eye(len(values))
        assert np.abs(between).max() < 5 / np.sqrt(values.shape[1]), "images"


def test_purposes_draw_apart():
    """One seed and one counter, four purposes: no two words agree."""
    words = np.stack([draws.words(3, purpose, np.arange(100), 1, 2, 3) for purpose in (1, 2, 3, 4)])
    assert len(np.unique(words)) == words.size


def test_a_share_of_images_has_one_view_and_every_share_another(workshop):
    data, stream = Dataset(workshop.data), Stream(90, 20, 1, shuffle=True)
    alone = AugmentSpec(offsets=8)
    shared = draw_views(stream, np.arange(40), replace(alone, share=8), data, 24)
    single = draw_views(stream, np.arange(40), alone, data, 24)
    assert np.array_equal(shared.offsets, np.repeat(single.offsets[::8], 8, axis=0))
    assert np.array_equal(shared.reflect, np.repeat(single.reflect[::8], 8))
    assert np.array_equal(shared.shift, single.shift)
