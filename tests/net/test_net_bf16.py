"""A whole step in bf16 on the CPU: fp32's step, but for the rounding of maps and of what they are multiplied with."""

import numpy as np
import small

from alexnet.engines import native
from alexnet.engines.cpu import CpuEngine
from alexnet.engines.maps import from_bf16, to_bf16
from alexnet.links.solo import SoloLink
from alexnet.net.layers import Pass
from alexnet.net.net import Net
from alexnet.recipe import load
from alexnet.recipe.topology import topology

IMAGES, STEPS = 18, 2
# Sums in another order differ by 1e-7, a number that then rounds to the other bf16 by 4e-3: seen are 6.5e-6 of a
# parameter's way, and 0.11 between bf16 and fp32.
BOUND = 1e-4


def rounded(values):
    return from_bf16(to_bf16(values))


class RoundedMaps:
    """Direct operations in fp32 on rounded weights, whose maps are rounded after each."""

    def __init__(self, ops):
        self._ops = ops

    def __getattr__(self, name):
        def operation(*arrays, **settings):
            getattr(self._ops, name)(*arrays, **settings)
            for maps in (each for each in arrays if each.ndim == 5 and each.dtype == np.float32):
                maps[...] = rounded(maps)

        return operation

    def conv_forward(self, x, w, b, y, **shape):
        self._ops.conv_forward(x, rounded(w), b, y, **shape)
        y[...] = rounded(y)

    def conv_backward_data(self, dy, w, dx, **shape):
        self._ops.conv_backward_data(dy, rounded(w), dx, **shape)
        dx[...] = rounded(dx)

    def fc_forward(self, x, w, b, y, **relu):
        self._ops.fc_forward(x, rounded(w), b, y, **relu)
        y[...] = rounded(y)

    def fc_backward_data(self, dy, w, dx):
        self._ops.fc_backward_data(dy, rounded(w), dx)
        dx[...] = rounded(dx)


def moved(recipe, engine, plain):
    """How far each parameter goes in a few steps."""
    net = Net(topology(recipe.net, small.CLASSES), engine, SoloLink(2), IMAGES, training=True, plain=plain)
    net.initialise(1)
    before = {each.name: each.value.copy() for each in net.parameters}
    side = recipe.net.crop
    images = engine.maps(IMAGES, 3, side, side)
    engine.pack(rounded(np.random.default_rng(3).standard_normal((IMAGES, 3, side, side)).astype(np.float32)), images)
    net.labels[:] = np.arange(IMAGES) % small.CLASSES
    for step in range(STEPS):
        now = Pass(IMAGES, IMAGES, step=step, dropout=0.5, training=True)
        net.step(images, now, lambda each: (0.01, 0.001), 0.9)
    assert all(each.value.dtype == np.float32 for each in net.parameters)
    return {each.name: each.value - before[each.name] for each in net.parameters}


def apart(one, other):
    return max(np.linalg.norm(one[name] - way) / np.linalg.norm(way) for name, way in other.items())


def test_a_step_is_fp32s_with_rounded_maps_and_weights(tmp_path, monkeypatch):
    monkeypatch.setenv(native.MODEL, "1")
    (tmp_path / "small.toml").write_text(small.RECIPE)
    recipe = load(tmp_path / "small.toml")
    plain, rounding = CpuEngine(2, fast=False), CpuEngine(2, fast=False)
    rounding.ops = RoundedMaps(rounding.ops)
    wanted = moved(recipe, rounding, plain=True)
    found = moved(recipe, CpuEngine(2, precision="bf16"), plain=False)
    assert apart(found, wanted) <= BOUND
    assert apart(moved(recipe, plain, plain=True), wanted) > 100 * BOUND
