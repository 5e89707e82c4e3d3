"""The net's parts that the whole-net tests do not reach: fc layers without a crossing, average pooling, tanh."""

import numpy as np
import pytest

from alexnet.engines.cpu import CpuEngine
from alexnet.errors import Failure
from alexnet.links.solo import SoloLink
from alexnet.net.layers import Pass
from alexnet.net.net import Net
from alexnet.recipe import parse
from alexnet.recipe.topology import topology

IMAGES = 5


def build(layers, engine=None, classes=4, crop=9, plain=False):
    recipe = parse({"net": {"columns": 2, "crop": crop, "layers": layers}})
    engine = engine or CpuEngine(1)
    net = Net(topology(recipe.net, classes), engine, SoloLink(2), IMAGES, training=True, plain=plain)
    net.initialise(1)
    return net


def run(net, images, labels, dropout=0.0):
    values = net.engine.maps(len(images), *images.shape[1:])
    net.engine.pack(images, values)
    net.labels[:] = labels
    now = Pass(len(images), len(images), dropout=dropout, training=True)
    net.forward(values, now)
    net.backward(now)
    return float(net.losses.mean())


LOCAL = [
    {"conv": "conv1", "kernels": 4, "size": 3, "std": "he"},
    {"tanh": "act1"},
    {"local": "own", "kernels": 6, "size": 3, "pad": 1, "stride": 2, "edge": "ceil", "std": "he", "bias": 0.1},
    {"tanh": "act2"},
    {"exchange": "cross"},
    {"local": "both", "kernels": 4, "size": 2, "std": "he"},
    {"exchange": "joined"},
    {"fc": "out", "units": "classes", "std": "he"},
    {"exchange": "last"},
    {"softmax": "loss"},
]
SPLIT_FC = [
    {"conv": "conv1", "kernels": 4, "size": 3, "std": "he"},
    {"tanh": "act1"},
    {"average_pool": "pool1", "size": 3, "stride": 2},
    {"fc": "own", "units": 6, "std": "he"},
    {"exchange": "cross"},
    {"fc": "out", "units": "classes", "std": "he"},
    {"exchange": "last"},
    {"softmax": "loss"},
]


@pytest.mark.parametrize("layers", [SPLIT_FC, LOCAL], ids=["fc", "local"])
def test_every_gradient_by_finite_differences(layers):
    """(L(w + h) - L(w - h)) / 2h of the float32 net, for every parameter of a net with no kinks; seen: 5e-5 apart."""
    net = build(layers, plain=True)
    generator = np.random.default_rng(2)
    images = generator.standard_normal((IMAGES, 3, 9, 9)).astype(np.float32)
    labels = generator.integers(4, size=IMAGES)
    run(net, images, labels)
    gradients = {each.name: each.gradient.copy() for each in net.parameters}
    step = 1e-2
    for each in net.parameters:
        flat, gradient = each.value.reshape(-1), gradients[each.name].reshape(-1)
        for index in generator.choice(flat.size, size=min(flat.size, 8), replace=False):
            kept = flat[index]
            flat[index] = kept + step
            above = run(net, images, labels)
            flat[index] = kept - step
            below = run(net, images, labels)
            flat[index] = kept
            assert (above - below) / (2 * step) == pytest.approx(gradient[index], rel=1e-3, abs=1e-4), each.name


def test_a_step_is_the_same_where_layers_share_passes():
    """Weights and momenta of every kind of layer, bit for bit; an FC layer's weights rest, its biases do not."""
    recipe = parse({"net": {"columns": 2, "crop": 30, "layers": EVERY_KIND}})
    images = np.random.default_rng(3).standard_normal((IMAGES, 3, 30, 30)).astype(np.float32)
    found = []
    for plain in (False, True):
        net = Net(topology(recipe.net, 7), CpuEngine(2), SoloLink(2), IMAGES, training=True, plain=plain)
        net.initialise(1)
        values = net.engine.maps(IMAGES, 3, 30, 30)
        net.engine.pack(images, values)
        net.labels[:] = np.arange(IMAGES)
        for step in range(3):
            now = Pass(IMAGES, IMAGES, step=step, dropout=0.5, training=True)
            net.step(values, now, lambda each: (0.0 if each.name == "fc3.weight" else 0.1, 0.001), 0.9)
        found.append({name: (weights.copy(), momenta.copy()) for name, weights, momenta in net.arrays()})
    for name, pair in found[0].items():
        assert all(np.array_equal(*each) for each in zip(pair, found[1][name], strict=True)), name
    assert not found[0]["fc3.weight"][1].any() and found[0]["fc3.bias"][1].any() and found[0]["out.weight"][1].any()


def test_an_fc_layer_without_a_crossing_sees_its_own_column():
    net = build(SPLIT_FC)
    images = np.random.default_rng(0).standard_normal((IMAGES, 3, 9, 9)).astype(np.float32)
    run(net, images, 0)
    before = net.engine.unpack(net.outputs["own"].value, IMAGES)[:, :, 0, 0]
    net.parameters[0].value[2:] += 1  # the kernels of the second column
    run(net, images, 0)
    after = net.engine.unpack(net.outputs["own"].value, IMAGES)[:, :, 0, 0]
    assert np.array_equal(before[:, :3], after[:, :3])
    assert (np.abs(before[:, 3:] - after[:, 3:]).max(axis=0) > 0).all()


def test_unequal_columns_that_see_themselves_alone():
    layers = [*SPLIT_FC[:3], {"fc": "own", "units": 7}, *SPLIT_FC[4:]]
    with pytest.raises(Failure, match=r"own.*--procs 2"):
        build(layers)


def test_dropout_scales_at_test_only():
    layers = [*SPLIT_FC[:4], {"dropout": "drop"}, *SPLIT_FC[4:]]
    net = build(layers)
    images = np.random.default_rng(0).standard_normal((IMAGES, 3, 9, 9)).astype(np.float32)
    values = net.engine.maps(IMAGES, 3, 9, 9)
    net.engine.pack(images, values)

    def outputs(now):
        net.forward(values, now)
        return net.engine.unpack(net.outputs["drop"].value, IMAGES)[:, :, 0, 0]

    whole = outputs(Pass(IMAGES, IMAGES, dropout=0.0))
    assert np.allclose(outputs(Pass(IMAGES, IMAGES, dropout=0.5)), whole / 2, rtol=1e-6)
    dropped = outputs(Pass(IMAGES, IMAGES, dropout=0.5, training=True))
    kept = dropped != 0
    assert np.array_equal(dropped[kept], whole[kept]) and 0.2 < kept.mean() < 0.8
    later = outputs(Pass(IMAGES, IMAGES, dropout=0.5, training=True, step=1))
    assert (later != dropped).any()


EVERY_KIND = [
    {"conv": "conv1", "kernels": 8, "size": 5, "stride": 2, "edge": "ceil", "std": "he", "bias": 0.1},
    {"relu": "relu1"},
    {"lrn": "norm1", "n": 5, "k": 2.0, "alpha": 0.1, "beta": 0.75},
    {"max_pool": "pool1", "size": 3, "stride": 2},
    {"conv": "conv2", "kernels": 12, "size": 3, "pad": 1, "std": "he"},
    {"tanh": "act2"},
    {"local": "own2", "kernels": 6, "size": 3, "pad": 1, "std": "he", "bias": 0.1},
    {"lrn_spatial": "norm2", "n": 3, "k": 1.0, "alpha": 0.1, "beta": 0.75},
    {"exchange": "cross"},
    {"average_pool": "pool2", "size": 3, "stride": 2},
    {"fc": "fc3", "units": 10, "std": "he"},
    {"dropout": "drop3"},
    {"exchange": "joined"},
    {"fc": "out", "units": "classes", "std": "he"},
    {"exchange": "last"},
    {"softmax": "loss"},
]


@pytest.mark.parametrize("images", [1, 3, 16, 20])
def test_what_is_packed_is_unpacked_as_it_was(images):
    """Maps of 4 rows and 5 columns, in blocks and as a single image."""
    values = np.random.default_rng(images).standard_normal((images, 3, 4, 5), np.float32)
    engine = CpuEngine(1).for_test(images)
    maps = engine.maps(*values.shape)
    engine.pack(values, maps)
    np.testing.assert_array_equal(engine.unpack(maps, images), values)


def test_one_image_alone_is_as_in_a_batch():
    """Every kind of layer in the single image's layout gives the probabilities that the blocks of images give."""
    recipe = parse({"net": {"columns": 2, "crop": 30, "layers": EVERY_KIND}})
    shapes, engine = topology(recipe.net, 7), CpuEngine(2)
    image = np.random.default_rng(4).standard_normal((1, 3, 30, 30)).astype(np.float32)
    found = []
    for own in (engine, engine.for_test(1)):
        net = Net(shapes, own, SoloLink(2), 1, training=False)
        net.initialise(1)
        values = own.maps(1, 3, 30, 30)
        own.pack(image, values)
        net.forward(values, Pass(1, 1, dropout=0.5))
        found.append(own.unpack(net.probs, 1))
    assert engine.for_test(1) is not engine and engine.for_test(2) is engine
    assert found[0].max() - found[0].min() > 0.01
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


class Recorded(CpuEngine):
    """Goes by the record of work with the same `fixed`, as a GPU does: only the numbers are today's."""

    def __init__(self):
        super().__init__(1)
        self.kept = {}

    def repeat(self, work, numbers, fixed):
        key = tuple(id(each) if isinstance(each, np.ndarray) else each for each in fixed)
        self.kept.setdefault(key, work)(numbers)


STEPS = {
    "another number of images": ({}, {"images": 3}),
    "another batch over all processes": ({}, {"batch": 4 * IMAGES}),
    "another first image": ({"dropout": 0.5}, {"dropout": 0.5, "first_image": 9}),
    "another dropout": ({"dropout": 0.25}, {"dropout": 0.5}),
    "a test": ({"dropout": 0.5}, {"dropout": 0.5, "training": False}),
    "another step": ({"dropout": 0.5}, {"dropout": 0.5, "step": 7}),
    "frozen layers": ({}, {"frozen": "conv1"}),
    "other rates": ({}, {"rate": 0.5}),
    "another place of the images": ({}, {"place": 1}),
}


@pytest.mark.parametrize("ways", STEPS.values(), ids=STEPS.keys())
def test_a_step_is_recorded_by_all_that_it_hangs_on(ways):
    """Steps that differ go by records of their own, or by numbers: the weights are those of plain steps."""
    layers = [*SPLIT_FC[:4], {"dropout": "drop"}, *SPLIT_FC[4:]]
    weights = []
    for engine in (Recorded(), CpuEngine(1)):
        net = build(layers, engine=engine)
        places = [net.engine.maps(IMAGES, 3, 9, 9) for _ in range(2)]
        for seed, place in enumerate(places):
            drawn = np.random.default_rng(seed).standard_normal((IMAGES, 3, 9, 9), np.float32)
            net.engine.pack(drawn, place)
        net.labels[:] = [0, 1, 2, 3, 0]
        for way in ways:
            given = {"images": IMAGES, "batch": IMAGES, "training": True} | way
            frozen, rate, place = (given.pop(key, none) for key, none in (("frozen", " "), ("rate", 0.1), ("place", 0)))
            rates = lambda each: (0.0 if each.name.startswith(frozen) else rate, 0.0)  # noqa: B023, E731
            net.step(places[place], Pass(**given), rates, 0.9)
        weights.append(np.concatenate([each.value.ravel() for each in net.parameters]))
    assert np.array_equal(*weights)
