"""Mistakes that both engines refuse alike, and odd requests that both grant."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda_bench import device

from alexnet.engines.cpu import CpuEngine
from alexnet.engines.cuda import CudaEngine


class Either:
    """An engine with short words for its memory."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.ops = engine, engine.ops

    def maps(self, *shape: int) -> Any:
        array = self.engine.maps(*shape)
        self.engine.pack(np.ones(shape, np.float32), array)
        return array

    def places(self, *shape: int) -> Any:
        return self.engine.bytes_like(self.engine.maps(*shape))

    def floats(self, *shape: int) -> Any:
        return self.engine.upload(np.ones(shape, np.float32))

    def labels(self, *values: int) -> Any:
        return self.engine.upload(np.array(values, np.int32))

    def losses(self, count: int) -> Any:
        return self.engine.upload(np.full(count, np.nan))

    def number(self, value: float) -> Any:
        return self.engine.upload(np.array(value, np.float64)) if isinstance(self.engine, CudaEngine) else value


@pytest.fixture(params=["cpu", "cuda"])
def either(request: pytest.FixtureRequest) -> Either:
    return Either(CpuEngine(1, fast=False) if request.param == "cpu" else CudaEngine(device("fp32", 1)))


Call = Callable[[Either], None]


def convolutions(x: Any = (2, 4, 5, 5), w: Any = (6, 2, 3, 3), b: int = 6, y: Any = (2, 6, 3, 3), **other: int) -> Any:
    """The three products by name."""
    settings = {"stride": 2, "pad": 1, "groups": 2} | other
    return {
        "conv_forward": lambda e: e.ops.conv_forward(e.maps(*x), e.floats(*w), e.floats(b), e.maps(*y), **settings),
        "conv_backward_data": lambda e: e.ops.conv_backward_data(e.maps(*y), e.floats(*w), e.maps(*x), **settings),
        "conv_backward_weights": lambda e: e.ops.conv_backward_weights(
            e.maps(*x), e.maps(*y), e.floats(*w), e.floats(b), **settings
        ),
    }


def banks(
    x: Any = (2, 4, 5, 5), w: Any = (6, 3, 3, 2, 3, 3), b: Any = (6, 3, 3), y: Any = (2, 6, 3, 3), **other: int
) -> Any:
    settings = {"stride": 2, "pad": 1, "groups": 2} | other
    return {
        "local_forward": lambda e: e.ops.local_forward(e.maps(*x), e.floats(*w), e.floats(*b), e.maps(*y), **settings),
        "local_backward_data": lambda e: e.ops.local_backward_data(e.maps(*y), e.floats(*w), e.maps(*x), **settings),
        "local_backward_weights": lambda e: e.ops.local_backward_weights(
            e.maps(*x), e.maps(*y), e.floats(*w), e.floats(*b), **settings
        ),
    }


def poolings(x: Any = (2, 3, 5, 5), y: Any = (2, 3, 2, 2), argmax: Any = None, **settings: int) -> Any:
    at, said = argmax or y, {"size": 3, "stride": 2} | settings
    return {
        "max_pool_forward": lambda e: e.ops.max_pool_forward(e.maps(*x), e.maps(*y), e.places(*at), **said),
        "max_pool_backward": lambda e: e.ops.max_pool_backward(e.maps(*y), e.places(*at), e.maps(*x), **said),
        "average_pool_forward": lambda e: e.ops.average_pool_forward(e.maps(*x), e.maps(*y), **said),
        "average_pool_backward": lambda e: e.ops.average_pool_backward(e.maps(*y), e.maps(*x), **said),
    }


def responses(x: Any = (2, 4, 3, 3), y: Any = (2, 4, 3, 3), **settings: float) -> Any:
    said = {"n": 3, "k": 2.0, "alpha": 0.1, "beta": 0.75} | settings
    grouped = {"groups": 2} | said
    said.pop("groups", None)
    return {
        "lrn_forward": lambda e: e.ops.lrn_forward(e.maps(*x), e.maps(*y), **grouped),
        "lrn_backward": lambda e: e.ops.lrn_backward(e.maps(*x), e.maps(*x), e.maps(*y), **grouped),
        "lrn_spatial_forward": lambda e: e.ops.lrn_spatial_forward(e.maps(*x), e.maps(*y), **said),
        "lrn_spatial_backward": lambda e: e.ops.lrn_spatial_backward(e.maps(*x), e.maps(*x), e.maps(*y), **said),
    }


def products(x: Any = (2, 3, 2, 2), w: Any = (5, 12), b: int = 5, y: Any = (2, 5, 1, 1)) -> Any:
    return {
        "fc_forward": lambda e: e.ops.fc_forward(e.maps(*x), e.floats(*w), e.floats(b), e.maps(*y)),
        "fc_backward_data": lambda e: e.ops.fc_backward_data(e.maps(*y), e.floats(*w), e.maps(*x)),
        "fc_backward_weights": lambda e: e.ops.fc_backward_weights(e.maps(*x), e.maps(*y), e.floats(*w), e.floats(b)),
    }


def flat(y: Any) -> Any:
    x = (2, 3, 4, 5)
    return {
        "relu_forward": lambda e: e.ops.relu_forward(e.maps(*x), e.maps(*y)),
        "relu_backward": lambda e: e.ops.relu_backward(e.maps(*x), e.maps(*x), e.maps(*y)),
        "tanh_forward": lambda e: e.ops.tanh_forward(e.maps(*x), e.maps(*y)),
        "tanh_backward": lambda e: e.ops.tanh_backward(e.maps(*x), e.maps(*y), e.maps(*x)),
        "scale": lambda e: e.ops.scale(e.maps(*x), e.maps(*y), factor=2.0),
    }


def dropped(y: Any = (2, 3, 4, 5), **settings: float) -> Any:
    said = {"rate": 0.5, "seed": 1, "layer": 2, "first_unit": 0, "first_image": 0} | settings
    return {"dropout": lambda e: e.ops.dropout(e.maps(2, 3, 4, 5), e.maps(*y), step=e.number(3), **said)}


def loss(
    logits: Any = (3, 4, 1, 1), probs: Any = (3, 4, 1, 1), labels: Any = (0, 3, 1), losses: int = 3, images: int = 3
) -> Any:
    def call(e: Either) -> None:
        arrays = e.maps(*logits), e.labels(*labels), e.maps(*probs), e.maps(*logits), e.losses(losses)
        e.ops.softmax_loss(*arrays, images=images, factor=0.5)

    return {"softmax_loss": call}


def descent(w: int = 8, v: int = 8, g: int = 8) -> Any:
    def call(e: Either) -> None:
        numbers = {name: e.number(0.1) for name in ("rate", "momentum", "decay")}
        e.ops.sgd(e.floats(w), e.floats(v), e.floats(g), **numbers)

    return {"sgd": call}


def views(
    count: int = 2,
    image: Any = (6, 6, 3),
    mean: Any = (6, 6, 3),
    out: Any = (2, 3, 4, 4),
    at: int = 2,
    told: int = 2,
    divide: float = 1.0,
) -> Any:
    def call(e: Either) -> None:
        offsets, reflect = np.full((told, 2), at, np.int32), np.zeros(told, np.uint8)
        images, shift = [np.zeros(image, np.uint8)] * count, np.zeros((told, 3), np.float32)
        e.ops.augment(images, e.floats(*mean), e.maps(*out), offsets, reflect, shift, divide=divide)

    return {"augment": call}


MISTAKES = {
    "stride 0": convolutions(stride=0),
    "pad -1": convolutions(pad=-1),
    "no groups": convolutions(groups=0),
    "groups that do not divide the kernels": convolutions(groups=4, w=(6, 1, 3, 3)),
    "kernels of other maps": convolutions(w=(6, 3, 3, 3)),
    "as many kernels as maps of y": convolutions(w=(4, 2, 3, 3), b=4),
    "a kernel of no size": convolutions(w=(6, 2, 0, 3)),
    "a side too long": convolutions(y=(2, 6, 4, 3)),
    "another batch": convolutions(y=(20, 6, 3, 3)),
    "banks for fewer places": banks(w=(6, 3, 2, 2, 3, 3), b=(6, 3, 2)),
    "banks of other maps": banks(w=(6, 3, 3, 4, 3, 3)),
    "banks in no groups": banks(groups=0),
    "banks that stand still": banks(stride=0),
    "a place too many": banks(w=(6, 4, 3, 2, 3, 3), b=(6, 4, 3), y=(2, 6, 4, 3)),
    "banks of another batch": banks(y=(20, 6, 3, 3)),
    "no window": poolings(size=0),
    "windows that stand still": poolings(stride=0),
    "other maps": poolings(y=(2, 4, 2, 2)),
    "a row of windows too many": poolings(y=(2, 3, 4, 2)),
    "a window beyond the edge": poolings(x=(2, 3, 2, 5), y=(2, 3, 2, 2), size=1, stride=3),
    "n 0": responses(n=0),
    "k 0": responses(k=0.0),
    "k that is none": responses(k=np.nan),
    "alpha below 0": responses(alpha=-0.1),
    "responses of another shape": responses(y=(2, 4, 3, 2)),
    "fewer weights than features": products(w=(5, 11)),
    "weights of other units": products(w=(4, 12), b=4),
    "units with sides": products(w=(5, 12), y=(2, 5, 1, 2)),
    "units of another batch": products(y=(20, 5, 1, 1)),
    "another shape": flat((2, 3, 5, 4)),
    "dropout into another shape": dropped(y=(2, 3, 5, 4)),
    "a rate below 0": dropped(rate=-0.1),
    "a rate above 1": dropped(rate=1.1),
    "a unit below 0": dropped(first_unit=-1),
    "units beyond the counter": dropped(first_unit=2**32 - 59),
    "an image below 0": dropped(first_image=-1),
    "images beyond the counter": dropped(first_image=2**34),
    "logits with sides": loss(logits=(3, 4, 1, 2), probs=(3, 4, 1, 2)),
    "probabilities of another shape": loss(probs=(3, 5, 1, 1)),
    "no images": loss(labels=(), losses=0, images=0),
    "more images than columns": loss(labels=(0,) * 17, losses=17, images=17),
    "fewer labels than images": loss(labels=(0, 1)),
    "fewer losses than images": loss(losses=2),
    "momenta of another size": descent(v=7),
    "gradients of another size": descent(g=9),
    "a mean that is not square": views(mean=(6, 7, 3), image=(6, 7, 3)),
    "images unlike the mean": views(image=(5, 5, 3)),
    "a mean like neither images nor crops": views(mean=(5, 5, 3)),
    "a crop beyond the image": views(at=3),
    "a crop before the image": views(at=-1),
    "a crop larger than the image": views(out=(2, 3, 7, 7), at=0),
    "a crop that is not square": views(out=(2, 3, 4, 3)),
    "fewer offsets than images": views(told=1),
    "no image": views(count=0, told=0),
    "more images than the batch has room for": views(count=17, told=17),
    "division by zero": views(divide=0.0),
}
SOME = {
    "fewer biases than kernels": {k: v for k, v in convolutions(b=5).items() if k != "conv_backward_data"},
    "biases for fewer places": {k: v for k, v in banks(b=(6, 3, 2)).items() if k != "local_backward_data"},
    "fewer biases than units": {k: v for k, v in products(b=4).items() if k != "fc_backward_data"},
    "places that do not fit a byte": {
        k: v for k, v in poolings(x=(2, 3, 17, 17), y=(2, 3, 1, 1), size=17).items() if k.startswith("max")
    },
    "places of another shape": {k: v for k, v in poolings(argmax=(2, 3, 2, 1)).items() if k.startswith("max")},
    "groups that do not divide the maps": {k: v for k, v in responses(groups=3).items() if "spatial" not in k},
    "no groups of maps": {k: v for k, v in responses(groups=0).items() if "spatial" not in k},
}


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        pytest.param(operation, call, id=f"{operation}: {why}")
        for why, calls in (MISTAKES | SOME).items()
        for operation, call in calls.items()
    ],
)
def test_a_mistake_is_refused_by_both(either: Either, operation: str, call: Call) -> None:
    with pytest.raises(ValueError, match=f"^{operation}: "):
        call(either)


GRANTED = {
    "a kernel larger than the map": convolutions(x=(2, 4, 2, 2), w=(6, 2, 4, 4), y=(2, 6, 1, 1), stride=3, pad=0),
    "the largest window": poolings(x=(2, 3, 16, 16), y=(2, 3, 1, 1), size=16),
    "a window larger than the map": poolings(x=(2, 3, 2, 2), y=(2, 3, 1, 1)),
    "a window wider than any map": responses(n=99),
    "the last units and images": dropped(first_unit=2**32 - 60, first_image=2**34 - 16),
    "maps for more than a grid's second side": poolings(x=(1, 65600, 1, 1), y=(1, 65600, 1, 1), size=1, stride=1),
    "units for more than a grid's second side": products(x=(1, 1, 1, 1), w=(65600, 1), b=65600, y=(1, 65600, 1, 1)),
}


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(call, id=f"{operation}: {why}")
        for why, calls in GRANTED.items()
        for operation, call in calls.items()
    ],
)
def test_an_odd_request_is_granted_by_both(either: Either, call: Call) -> None:
    call(either)


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_outside_the_classes_is_no_loss(label: int) -> None:
    """The CPU engine refuses it; the host sees no labels of a GPU: there a loss that is not finite ends a training."""
    arguments = loss(labels=(0, label, 1))["softmax_loss"]
    with pytest.raises(ValueError, match=f"softmax_loss: label {label} of image 1"):
        arguments(Either(CpuEngine(1)))
    e = Either(CudaEngine(device("fp32", 1)))
    losses = e.losses(3)
    losses[...] = np.ones(3)
    maps = [e.maps(3, 4, 1, 1) for _ in range(3)]
    e.ops.softmax_loss(maps[0], e.labels(0, label, 1), maps[1], maps[2], losses, images=3, factor=0.5)
    assert np.isnan(e.engine.download(losses)).tolist() == [False, True, False]


def test_memory_of_another_type_is_refused(either: Either) -> None:
    x = either.maps(2, 3, 4, 4)
    with pytest.raises(TypeError, match="max_pool_forward"):
        either.ops.max_pool_forward(x, either.maps(2, 3, 2, 2), either.maps(2, 3, 2, 2), size=2, stride=2)
    with pytest.raises(TypeError, match="relu_forward"):
        either.ops.relu_forward(x, either.places(2, 3, 4, 4))
    with pytest.raises(TypeError, match="sgd"):
        weights = either.engine.upload(np.ones(8))
        numbers = {name: either.number(0.1) for name in ("rate", "momentum", "decay")}
        either.ops.sgd(weights, weights, weights, **numbers)
