"""A whole step in bf16 on the CPU: fp32's step, but for the rounding of what enters a product of a conv or FC layer."""

import numpy as np
import small

from alexnet.engines import native
from alexnet.engines.cpu import CpuEngine
from alexnet.links.solo import SoloLink
from alexnet.net.layers import Pass
from alexnet.net.net import Net
from alexnet.recipe import load
from alexnet.recipe.topology import topology

IMAGES, STEPS = 18, 2
# Sums in another order differ by 1e-7, a number that then rounds to the other bf16 by 4e-3: seen are 3.5e-6 of a
# parameter's way, and 0.13 between bf16 and fp32.
BOUND = 1e-4


def rounded(values):
    up = values.view(np.uint32) + np.uint32(0x7FFF) + (values.view(np.uint32) >> np.uint32(16) & np.uint32(1))
    return (up & np.uint32(0xFFFF0000)).view(np.float32)


class RoundedOperands:
    """Direct operations in fp32 on rounded numbers."""

    def __init__(self, ops):
        self._ops = ops

    def __getattr__(self, name):
        return getattr(self._ops, name)

    def conv_forward(self, x, w, b, y, **shape):
        self._ops.conv_forward(rounded(x), rounded(w), b, y, **shape)

    def conv_backward_data(self, dy, w, dx, **shape):
        self._ops.conv_backward_data(rounded(dy), rounded(w), dx, **shape)

    def conv_backward_weights(self, x, dy, dw, db, **shape):
        self._ops.conv_backward_weights(x, dy, dw, db, **shape)  # for db, which is no product
        self._ops.conv_backward_weights(rounded(x), rounded(dy), dw, np.empty_like(db), **shape)

    def fc_forward(self, x, w, b, y, **relu):
        self._ops.fc_forward(rounded(x), rounded(w), b, y, **relu)

    def fc_backward_data(self, dy, w, dx):
        self._ops.fc_backward_data(rounded(dy), rounded(w), dx)

    def fc_backward_weights(self, x, dy, dw, db):
        self._ops.fc_backward_weights(x, dy, dw, db)
        self._ops.fc_backward_weights(rounded(x), rounded(dy), dw, np.empty_like(db))


def moved(recipe, engine, plain):
    """How far each parameter goes in a few steps."""
    net = Net(topology(recipe.net, small.CLASSES), engine, SoloLink(2), IMAGES, training=True, plain=plain)
    net.initialise(1)
    before = {each.name: each.value.copy() for each in net.parameters}
    side = recipe.net.crop
    images = engine.maps(IMAGES, 3, side, side)
    engine.pack(np.random.default_rng(3).standard_normal((IMAGES, 3, side, side)).astype(np.float32), images)
    net.labels[:] = np.arange(IMAGES) % small.CLASSES
    for step in range(STEPS):
        now = Pass(IMAGES, IMAGES, step=step, dropout=0.5, training=True)
        net.step(images, now, lambda each: (0.01, 0.001), 0.9)
    assert all(each.value.dtype == np.float32 for each in net.parameters)
    return {each.name: each.value - before[each.name] for each in net.parameters}


def apart(one, other):
    return max(np.linalg.norm(one[name] - way) / np.linalg.norm(way) for name, way in other.items())


def test_a_step_is_fp32s_with_rounded_operands(tmp_path, monkeypatch):
    monkeypatch.setenv(native.MODEL, "1")
    (tmp_path / "small.toml").write_text(small.RECIPE)
    recipe = load(tmp_path / "small.toml")
    plain, rounding = CpuEngine(2, fast=False), CpuEngine(2, fast=False)
    rounding.ops = RoundedOperands(rounding.ops)
    wanted = moved(recipe, rounding, plain=True)
    found = moved(recipe, CpuEngine(2, precision="bf16"), plain=False)
    assert apart(found, wanted) <= BOUND
    assert apart(moved(recipe, plain, plain=True), wanted) > 100 * BOUND
