"""What a step costs, counted without a clock: arithmetic, memory and exchanges against their closed forms.

The net is `alexnet-mini` on 16 images, one block of the engine, so that no lane is empty.
"""

import gc
import resource
import sys
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from alexnet.engines.cpu import CpuEngine
from alexnet.links import Place
from alexnet.links.solo import SoloLink
from alexnet.net.layers import Pass
from alexnet.net.net import Net
from alexnet.net.parametric import Convolution
from alexnet.recipe import load
from alexnet.recipe.topology import topology

IMAGES, CLASSES = 16, 10
# Multiply-adds of one image: kernels x fan-in x positions (paper, 3.5, at a quarter of the width).
CONV = {
    "conv1": 24 * 3 * 11**2 * 55**2,
    "conv2": 64 * 12 * 5**2 * 27**2,
    "conv3": 96 * 64 * 3**2 * 13**2,
    "conv4": 96 * 48 * 3**2 * 13**2,
    "conv5": 64 * 48 * 3**2 * 13**2,
}
FC = {"fc6": 1024 * 64 * 6**2, "fc7": 1024 * 1024, "fc8": CLASSES * 1024}
WEIGHTS = 24 * 363 + 64 * 300 + 96 * 576 + 96 * 432 + 64 * 432 + sum(FC.values())
BIASES = 24 + 64 + 96 + 96 + 64 + 1024 + 1024 + CLASSES
# What the columns show each other of one image: all maps of pool2 and pool5, all units of fc6, fc7, fc8.
CROSSINGS = [64 * 13**2, 64 * 6**2, 1024, 1024, CLASSES]
SMALL = 32 * 1024  # for Python's own objects, seen: 7 and 12 kB; the units of fc6 alone, for 16 images, are 64 kB
PAGES = 16  # 64 kB


class CountingLink:
    """The link of one process of several that are not there: what it would send, counted; zeros from the others."""

    rank = 0

    def __init__(self, columns: int, replicas: int = 1) -> None:
        self.place = Place(columns, range(1), 0, replicas)
        self.gathers, self.scatters, self.sums, self.whole = [], [], [], 0

    def gather(self, own, whole):
        self.gathers.append((own.nbytes, whole.nbytes))
        whole[:, : own.shape[1]] = own
        whole[:, own.shape[1] :] = 0

    def scatter(self, whole, own):
        self.scatters.append((whole.nbytes, own.nbytes))
        own[...] = whole[:, : own.shape[1]]

    def average(self, gradients):
        self.sums.append([each.nbytes for each in gradients])

    def averaged(self):
        self.whole += 1


class CountingOperations:
    """The engine's operations; the multiply-adds that their arrays' shapes ask for are added up by operation."""

    def __init__(self, ops) -> None:
        self._ops, self.calls, self.work = ops, Counter(), Counter()

    def __getattr__(self, name):
        operation = getattr(self._ops, name)

        def counted(*arrays, **scalars):
            self.calls[name] += 1
            self.work[name] += _multiply_adds(name, arrays)
            return operation(*arrays, **scalars)

        return counted


def _multiply_adds(name, arrays):
    """Each weight meets each output position, or for fc layers each image, once."""
    if name.startswith("conv"):
        weight, outputs = {
            "conv_forward": lambda x, w, b, y: (w, y),
            "conv_backward_data": lambda dy, w, dx: (w, dy),
            "conv_backward_weights": lambda x, dy, dw, db: (dw, dy),
        }[name](*arrays)
        return weight[0].size * outputs.size
    if name.startswith("fc"):
        if name == "fc_backward_bias":
            return 0
        weight = arrays[2] if name in ("fc_backward_weights", "fc_descend") else arrays[1]
        return weight.size * IMAGES
    return 0


def build(link, ops=None):
    engine = CpuEngine(1)
    if ops:
        engine.ops = ops(engine.ops)
    net = Net(topology(load("alexnet-mini").net, CLASSES), engine, link, IMAGES, training=True)
    net.initialise(0)
    images = engine.maps(IMAGES, 3, 224, 224)
    images[...] = np.random.default_rng(0).standard_normal(images.shape, np.float32)
    net.labels[:] = np.arange(IMAGES) % CLASSES
    return net, images


def step(net, images, number=0):
    now = Pass(IMAGES, IMAGES, step=number, dropout=0.5, training=True)
    net.step(images, now, lambda each: (0.001, 0.0005), 0.9)


@pytest.mark.parametrize("columns", [1, 2])
def test_no_array_is_made_in_a_step(columns):
    """The most that is allocated at any moment of three steps, beyond what was there before."""
    net, images = build(CountingLink(2) if columns == 1 else SoloLink(2))
    step(net, images)
    tracemalloc.start()
    try:
        step(net, images, 1)
        gc.collect()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(2, 5):
            step(net, images, number)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - before <= SMALL, f"{peak - before} bytes more than before the steps"


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults as Linux does")
def test_a_step_touches_no_new_memory():
    """What tracemalloc does not see, the engine's own allocations: no step after the first needs new pages."""
    net, images = build(SoloLink(2))
    step(net, images)
    faults = []
    for number in range(1, 5):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        step(net, images, number)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert min(faults) <= PAGES, f"new pages in each step: {faults}"  # one step may meet the system's own doings


def test_the_guard_sees_an_array():
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        np.empty(SMALL + 4096, np.uint8)
        assert tracemalloc.get_traced_memory()[1] - before > SMALL
    finally:
        tracemalloc.stop()


def test_the_net_keeps_values_once_and_two_gradients():
    """Memory planned from the net: each layer's maps once, and two arenas for gradients, which alternate.

    The normalised responses are made by the pooling above, and have no memory.
    """
    net, _ = build(SoloLink(2))
    values = {id(_owner(blob.value)): blob.value.nbytes for blob in net.outputs.values() if blob.value.base is None}
    largest = 4 * IMAGES * 24 * 55**2
    kept = [24 * 55**2, 24 * 27**2]  # conv1, pool1; activations and dropout work in place
    kept += [64 * 27**2, 64 * 13**2, 96 * 13**2, 96 * 13**2, 64 * 13**2, 64 * 6**2]
    kept += [1024, 1024, CLASSES, CLASSES]  # fc6, fc7, fc8, and the softmax's outputs
    assert sum(values.values()) == 4 * IMAGES * sum(kept)
    arenas = {
        _owner(blob.gradient).ctypes.data: _owner(blob.gradient)
        for blob in net.outputs.values()
        if blob.gradient is not None
    }
    assert [each.nbytes for each in arenas.values()] == [largest, largest]
    for name in ("1", "2"):
        assert net.outputs[f"norm{name}"] is net.outputs[f"conv{name}"]


@pytest.mark.parametrize("replicas", [1, 2])
def test_the_gradients_of_fc_weights_are_kept_for_their_sum_alone(replicas):
    net, _ = build(CountingLink(2, replicas))
    kept = {each.name for each in net.parameters if each.gradient is not None}
    assert {each.name for each in net.parameters} - kept == (
        {f"{name}.weight" for name in FC} if replicas == 1 else set()
    )


def _owner(array):
    return array if array.base is None else _owner(array.base)


def test_multiply_adds_of_a_step():
    """Each product is computed once; nobody computes the gradient by the images."""
    net, images = build(SoloLink(2), CountingOperations)
    step(net, images)
    conv, fc = sum(CONV.values()), sum(FC.values())
    assert dict(+net.engine.ops.work) == {
        "conv_forward": IMAGES * conv,
        "conv_backward_weights": IMAGES * conv,
        "conv_backward_data": IMAGES * (conv - CONV["conv1"]),
        "fc_forward": IMAGES * fc,
        "fc_descend": IMAGES * fc,
        "fc_backward_data": IMAGES * fc,
    }
    assert net.topology.multiply_adds == conv + fc
    assert net.engine.ops.calls["sgd"] == 2 * (len(CONV) + len(FC)) - len(FC)


# Points of the tiles in one direction (paper's shapes, 3.5): n outputs under r taps take n + r - 1, in tiles of at most
# 8 points. 55 rows under 3 taps of a phase (11 at stride 4): 5 tiles of 6 and 5 of 5; 27 under 5: 6 of 4, 1 of 3;
# 13 under 3: 1 of 5, 2 of 4.
POINTS = {"conv1": 5 * 8 + 5 * 7, "conv2": 6 * 8 + 7, "conv3": 7 + 2 * 6, "conv4": 7 + 2 * 6, "conv5": 7 + 2 * 6}
PAIRS = {"conv1": 96 * 3 * 16, "conv2": 256 * 48, "conv3": 384 * 256, "conv4": 384 * 192, "conv5": 256 * 192}


@pytest.mark.parametrize("convolution", ["fast", "direct"])
def test_products_of_the_papers_net(convolution):
    """What is multiplied for one image: a product a point, map and kernel, or a tap, map and kernel."""
    engine = CpuEngine(1, fast=convolution == "fast")
    shapes = topology(load("alexnet").net, 1000)
    net = Net(shapes, engine, SoloLink(2), 128, training=False)
    found = {layer.weight.name: layer.products[0] for layer in net.layers if isinstance(layer, Convolution)}
    direct = {f"{each.layer.name}.weight": each.multiply_adds for each in shapes.layers}
    few = {f"{name}.weight": PAIRS[name] * POINTS[name] ** 2 for name in POINTS}
    assert found == {name: few[name] if engine.fast else direct[name] for name in few}


def test_a_column_does_half_the_work():
    net, images = build(CountingLink(2), CountingOperations)
    step(net, images)
    conv, fc = sum(CONV.values()), sum(FC.values())
    assert 2 * net.engine.ops.work["conv_forward"] == IMAGES * conv
    assert 2 * net.engine.ops.work["fc_forward"] == IMAGES * fc
    assert 2 * sum(net.engine.ops.work.values()) == IMAGES * (3 * (conv + fc) - CONV["conv1"])


def test_exchanges_of_a_step():
    """Five crossings, each once forward and once backward: half of the maps go out, all are there afterwards."""
    net, images = build(CountingLink(2))
    step(net, images)
    sizes = [(4 * IMAGES * each // 2, 4 * IMAGES * each) for each in CROSSINGS]
    assert net.link.gathers == sizes
    assert net.link.scatters == [(whole, own) for own, whole in reversed(sizes)]
    assert sum(own for own, _ in sizes) == 2 * IMAGES * (64 * 13**2 + 64 * 6**2 + 2048 + CLASSES)


def test_gradient_sums_of_a_step():
    """Each gradient once, as soon as its layer has made it: what one column has of the weights and biases."""
    net, images = build(CountingLink(2, replicas=2))
    step(net, images)
    sums = [each for each in net.link.sums if each]
    learning = [layer for layer in reversed(net.layers) if layer.parameters]
    assert sums == [[each.gradient.nbytes for each in layer.parameters] for layer in learning]
    assert len(sums) == len(CONV) + len(FC) and 2 * sum(map(sum, sums)) == 4 * (WEIGHTS + BIASES)
    assert net.link.whole == 1


def test_sums_begin_while_the_pass_goes_on():
    """Those of the highest layer, and of all but the lowest, before the next layer's turn."""
    order = []

    class Watch:
        def __init__(self, part):
            self.part = part

        def __enter__(self):
            order.append(self.part)

        def __exit__(self, *error):
            pass

    net, images = build(CountingLink(2, replicas=2))
    net.watch = Watch
    net.link.average = lambda gradients: order.extend(["sums"] * bool(gradients))
    net.link.averaged = lambda: order.append("whole")
    step(net, images)
    for name in (*FC, *CONV):
        assert order[order.index(f"{name} backward") + 1] == "sums", name
    assert order[-3:] == ["gradient sums", "whole", "update"]


def test_one_process_exchanges_nothing():
    """SoloLink's crossings raise; the net must not have any."""
    net, images = build(SoloLink(2))
    step(net, images)
    assert len(net.layers) == len(net.topology.layers) - len(CROSSINGS)
