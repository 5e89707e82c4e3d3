"""The exported net, run by onnxruntime, against a float64 net written from the formulas."""

import sys

import numpy as np
import onnxruntime
import pytest
from torch_reference import logits

from alexnet.errors import Failure
from alexnet.net.weights import export_onnx
from alexnet.recipe import Recipe, load
from alexnet.recipe.spec import Conv, Exchange, Fc, Local, Lrn, MaxPool, NetSpec, Softmax
from alexnet.recipe.topology import topology

SMALL = ["net.fc[67].units=48"]


def drawn(recipe, classes, rng):
    """Weights that keep values alive to the end, biases that matter."""
    shapes = topology(recipe.net, classes).weights()
    return {
        name: (rng.normal(size=shape) * (np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.3)).astype(np.float32)
        for name, shape in shapes.items()
    }


def compare(recipe, classes, path, images, rng):
    """The last layer is scaled so that all classes are about likely: a saturated softmax would hide errors."""
    weights = drawn(recipe, classes, rng)
    last = list(weights)[-2]
    weights[last] /= logits(recipe, weights, images).std().astype(np.float32)
    wanted = logits(recipe, weights, images)
    assert 0.5 < wanted.std() < 2 and np.ptp(wanted, axis=0).min() > 0.01
    got = np.log(exported(recipe, classes, weights, path, images))
    centred = wanted - np.log(np.exp(wanted).sum(axis=1, keepdims=True))
    assert got.shape == (len(images), classes)
    np.testing.assert_allclose(got, centred, rtol=0, atol=1e-4)


def exported(recipe, classes, weights, path, images):
    export_onnx(path, recipe, classes, weights)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probs"], {"image": images})[0]


@pytest.mark.parametrize(
    ("name", "classes", "changes"),
    [
        ("alexnet-mini", 10, []),
        ("alexnet-mini", 81, ["net.crop=127", "dropout=0.2", "net.columns=4"]),
        ("alexnet-mini", 7, ["net.columns=1", "net.relu[67].kind=tanh", "net.norm*.n=4"]),
        ("krizhevsky-145", 10, SMALL),
        ("krizhevsky-146", 11, SMALL),
        ("alexnet-one-column", 10, SMALL),
        ("cifar-lrn", 10, []),
        ("cifar-11", 10, ["net.conv*.kernels=16", "net.local3.kernels=20"]),
        ("cifar-relu", 10, ["net.crop=29", "net.pool*.size=2"]),
    ],
)
def test_the_exported_net_is_the_net(name, classes, changes, tmp_path):
    recipe, rng = load(name, changes), np.random.default_rng(7)
    side = recipe.net.crop
    images = (rng.normal(size=(3, 3, side, side)) * 60).astype(np.float32)
    compare(recipe, classes, tmp_path / "net.onnx", images, rng)


def test_layers_that_stay_apart_and_maps_after_fc(tmp_path):
    """FC layers that see their own column only, with unequal shares; spatial layers after an FC layer."""
    rng = np.random.default_rng(8)
    layers = (
        Conv(name="a", kernels=4, size=3),
        Fc(name="b", units=8),
        Lrn(name="n", n=3, k=1, alpha=0.5, beta=0.75),
        Conv(name="c", kernels=6, size=1),
        MaxPool(name="p", size=1, stride=1),
        Fc(name="d", units="classes"),
        Exchange(name="x"),
        Softmax(name="loss"),
    )
    recipe = Recipe(net=NetSpec(columns=2, crop=9, layers=layers))
    shapes = topology(recipe.net, 7)
    assert shapes["d"].weight == (7, 3)  # the first column owns 3 of the 7, the second 4
    images = rng.normal(size=(5, 3, 9, 9)).astype(np.float32)
    compare(recipe, 7, tmp_path / "net.onnx", images, rng)


@pytest.mark.parametrize(("stride", "edge"), [(1, "floor"), (2, "ceil"), (3, "floor")])
def test_kernels_of_each_place(stride, edge, tmp_path):
    """In columns that do not see each other, and after they have met."""
    rng = np.random.default_rng(10)
    layers = (
        Conv(name="a", kernels=4, size=3),
        Local(name="b", kernels=6, size=3, pad=1, stride=stride, edge=edge),
        Exchange(name="x"),
        Local(name="c", kernels=4, size=2),
        Exchange(name="y"),
        Fc(name="d", units="classes"),
        Exchange(name="z"),
        Softmax(name="loss"),
    )
    recipe = Recipe(net=NetSpec(columns=2, crop=10, layers=layers))
    images = rng.integers(256, size=(5, 3, 10, 10)).astype(np.float32)
    compare(recipe, 7, tmp_path / "net.onnx", images, rng)


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    recipe = load("cifar-relu")
    weights = drawn(recipe, 10, np.random.default_rng(9))
    with pytest.raises(Failure, match=r"fc10.weight is \(10, 1024\), this net has \(9, 1024\)"):
        export_onnx(tmp_path / "n.onnx", recipe, 9, weights)
    with pytest.raises(Failure, match="cannot write"):
        export_onnx(tmp_path / "no" / "n.onnx", recipe, 10, weights)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(Failure, match="pip install onnx"):
        export_onnx(tmp_path / "n.onnx", recipe, 10, weights)
    assert not any(tmp_path.iterdir())
