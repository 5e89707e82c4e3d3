"""What a net is built of: every kind of layer has its verbs; layers in a row share a pass where the engine can."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_net import EVERY_KIND, IMAGES

from alexnet.engines import draws
from alexnet.engines.cpu import CpuEngine
from alexnet.links import Place
from alexnet.links.solo import SoloLink
from alexnet.net.build import build
from alexnet.net.fusion import Fusion, fusions
from alexnet.net.layers import Pass
from alexnet.net.net import SUMS, UPDATE, Net
from alexnet.net.onnx import emit
from alexnet.recipe import load, parse
from alexnet.recipe.spec import KINDS, Conv, Dropout, Fc, LayerSpec, Lrn, MaxPool, Relu, Tanh
from alexnet.recipe.topology import topology

CONV, FC = Conv(name="c", kernels=2, size=1), Fc(name="f", units=2)
RELU, DROP, TANH = Relu(name="r"), Dropout(name="d"), Tanh(name="t")
LRN, POOL = Lrn(name="n", n=3, k=1, alpha=1, beta=1), MaxPool(name="p", size=2, stride=2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_layer_is_built_and_exported(kind):
    for verb in (build, emit):
        assert verb.dispatch(KINDS[kind]) is not verb.dispatch(LayerSpec), f"{kind} has no {verb.__name__}"


def of(layers, rectifies=False, masks=False, fused=None, replicas=1, split=False):
    shapes = [SimpleNamespace(layer=layer, input_split=split) for layer in layers]
    engine = SimpleNamespace(rectifies=rectifies, masks=masks, fused=fused)
    return fusions(shapes, engine, Place(2, range(2), 0, replicas))


def test_relu_belongs_to_the_weights_right_below_it():
    assert of([CONV, RELU, FC, RELU, DROP, RELU, CONV, TANH], True) == [
        Fusion(rectifies=True),
        Fusion(rectified=True),
        Fusion(rectifies=True),
        Fusion(rectified=True),
        Fusion(),
        Fusion(),
        Fusion(),
        Fusion(),
    ]


def test_an_engine_that_cannot_rectify_is_not_asked_to():
    assert of([CONV, RELU], False) == [Fusion(), Fusion()]


def test_only_responses_that_are_pooled_at_once_pass():
    assert of([LRN, POOL, LRN, CONV, POOL, LRN]) == [Fusion(passing=True), *[Fusion()] * 5]


def test_responses_are_made_with_their_maxima_and_take_the_gradient_through_relu():
    whole = [CONV, RELU, LRN, POOL, FC]
    assert of(whole, rectifies=True, fused=object(), split=True) == [
        Fusion(rectifies=True),
        Fusion(rectified=True, masked=True),
        Fusion(passing=True, pooled=True),
        Fusion(normalises=LRN, masks=True),
        Fusion(),
    ]
    assert of([RELU, CONV, LRN, POOL], fused=object())[2:] == [
        Fusion(passing=True, pooled=True),
        Fusion(normalises=LRN),
    ]
    assert of([RELU, LRN, CONV], fused=object()) == [Fusion()] * 3


def test_responses_take_the_gradient_through_relu_where_an_engine_masks():
    assert of([RELU, LRN, CONV], masks=True) == [Fusion(masked=True), Fusion(masks=True), Fusion()]
    assert of([RELU, LRN, POOL], masks=True) == [Fusion(masked=True), Fusion(passing=True, masks=True), Fusion()]
    assert of([LRN, RELU, CONV], masks=True) == [Fusion()] * 3


def test_the_weights_of_an_fc_layer_move_at_once():
    assert of([FC, CONV], fused=object()) == [Fusion(descends=True), Fusion()]


def test_gradients_are_kept_where_they_are_summed_over_replicas_or_units_see_a_column_alone():
    kept = [Fusion(), Fusion()]
    assert of([FC, CONV]) == of([FC, CONV], fused=object(), replicas=2) == kept
    assert of([FC, CONV], fused=object(), split=True) == kept


def test_a_crossing_that_is_not_there_parts_nothing():
    """One process owns both columns: ReLU is right above the weights, and the crossing's maps are those below."""
    recipe = parse({"net": {"columns": 2, "crop": 9, "layers": [
        {"conv": "conv1", "kernels": 4, "size": 3},
        {"exchange": "cross"},
        {"relu": "relu1"},
        {"fc": "out", "units": "classes"},
        {"exchange": "last"},
        {"softmax": "loss"},
    ]}})  # fmt: skip
    engine = CpuEngine(1)
    engine.rectifies = True
    net = Net(topology(recipe.net, 4), engine, SoloLink(2), IMAGES, training=True)
    assert [(layer.name, type(layer).__name__) for layer in net.layers] == [
        ("conv1", "Convolution"),
        ("relu1", "Rectifier"),
        ("out", "Descending"),
        ("loss", "SoftmaxLoss"),
    ]
    assert net.layers[0].rectifies and net.layers[1].rectified and not net.layers[2].rectifies
    assert net.outputs["cross"] is net.outputs["conv1"] and net.outputs["last"] is net.outputs["out"]


def test_biases_are_told_and_first_weights_are_the_draws_of_their_layer():
    net = Net(topology(load("alexnet-mini").net, 10), CpuEngine(1), SoloLink(2), 1, training=False)
    net.initialise(seed=5)
    assert [each.is_bias for each in net.parameters] == [each.name.endswith(".bias") for each in net.parameters]
    conv2 = next(each for each in net.parameters if each.name == "conv2.weight")
    assert conv2.fan_in == 12 * 5 * 5
    drawn = draws.normals(5, "conv2", 0, conv2.value.size) * np.float32(np.sqrt(2 / conv2.fan_in))
    assert np.array_equal(conv2.value.ravel(), drawn)


def test_whoever_watches_sees_every_part_once_a_step():
    seen = []

    class Watch:
        def __init__(self, part):
            self.part = part

        def __enter__(self):
            seen.append(self.part)

        def __exit__(self, *error):
            seen.append(f"end of {self.part}")

    recipe = parse({"net": {"columns": 2, "crop": 30, "layers": EVERY_KIND}})
    net = Net(topology(recipe.net, 7), CpuEngine(1), SoloLink(2), IMAGES, training=True, watch=Watch)
    net.initialise(1)
    images = net.engine.maps(IMAGES, 3, 30, 30)
    images[...] = 1
    net.step(images, Pass(IMAGES, IMAGES, training=True), lambda parameter: (0.1, 0.0), 0.9)
    names = [layer.name for layer in net.layers]
    parts = [*(f"{name} forward" for name in names), *(f"{name} backward" for name in reversed(names)), SUMS, UPDATE]
    assert seen == [each for part in parts for each in (part, f"end of {part}")]
