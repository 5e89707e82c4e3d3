"""Maps in bf16, and products in bf16 with sums in float32: against float64 loops over inputs that bf16 holds exactly.

Maps that come out are the nearest bf16 of such sums; what is no product is fp32's, its maps rounded. Where the
processor has AMX the build for it is tested too, and is held to the model of it, bit for bit.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import references
from calls import CALLS, Call, Given, Misaligned, fc_backward_bias
from comparison import (
    F32,
    Bits,
    close,
    close_rounded,
    from_bf16,
    pack,
    poisoned,
    poisoned_maps,
    same_for_any_threads,
    to_bf16,
    unpack,
)
from conftest import BUILDS, THREADS, load
from moved import Case, Problem
from numpy.typing import NDArray

CASES = [
    Case(1, 1, 1, 1, 1, (1, 1), 1, 0, 1),
    Case(17, 3, 23, 22, 7, (11, 11), 4, 0, 1, "ceil"),
    Case(3, 7, 5, 5, 50, (3, 3), 1, 1, 1),  # lines of a map too few; tiles of kernels too few
    Case(2, 70, 4, 3, 5, (3, 2), 1, 0, 1),  # lines of more than one step
    Case(16, 6, 7, 8, 6, (3, 3), 2, 1, 3),
    Case(3, 2, 8, 9, 34, (3, 2), 3, 2, 2, "ceil"),
    Case(2, 2, 9, 9, 2, (2, 2), 3, 0, 1),  # pixels under no kernel
    Case(3, 4, 8, 1, 6, (5, 2), 1, 4, 2),  # a pad wider than the kernel
    Case(2, 128, 12, 30, 3, (2, 1), 1, 1, 1),  # more than one band of rows
]
LAYERS = [  # images, (maps, height, width), units
    (1, (1, 1, 1), 1),
    (15, (3, 2, 5), 7),
    (33, (5, 1, 1), 33),
    (17, (5, 3, 3), 1100),  # units of more than one slice, and of more than one part
    (2, (5, 21, 21), 35),  # features of more than one slice, part and run
]
ROUNDS = 4000  # of products of tiles
HARDWARE = "d72f6afea599a9c95c2aac6b5fed87b2ee462d4d1dc6f7728b18ebc42753fe75"
RATES = {"rate": 0.25, "momentum": 0.9, "decay": 0.0625}


def rounded(values: F32) -> F32:
    return from_bf16(to_bf16(values))


def packed(values: F32) -> Bits:
    """Plain maps in the engine's layout."""
    return to_bf16(pack(values))


def unwritten(images: int, maps: int, height: int = 1, width: int = 1) -> Bits:
    """Outputs that show what was not written."""
    return to_bf16(poisoned_maps(images, maps, height, width))


def drawn(rng: np.random.Generator, *shape: int) -> F32:
    return rounded(rng.standard_normal(shape, np.float32))


def tiled() -> dict[str, ModuleType]:
    """The builds with the model, and the one for AMX where it can run; sanitizers do not see what tiles read."""
    own = BUILDS["base"].has_amx() and "ALEXNET_ENGINE_DIR" not in os.environ
    return BUILDS | ({"amx": load("amx")} if own else {})


TILED = tiled()


@pytest.fixture(params=list(TILED))
def build(request: pytest.FixtureRequest) -> ModuleType:
    return TILED[request.param]


@pytest.fixture
def ops(build: ModuleType) -> Any:
    """The operations in bf16 of each build."""
    return build.Bf16(threads=THREADS)


@cache
def moved(case: Case) -> Problem:
    rng = np.random.default_rng(1)
    x = drawn(rng, case.images, case.maps, case.height, case.width)
    w = drawn(rng, case.kernels, case.maps // case.groups, *case.size)
    b = rng.standard_normal(case.kernels, np.float32)
    dy = drawn(rng, case.images, case.kernels, *case.sides())
    y = references.conv(x, w, b, case.sides(), *case.shape().values())
    return Problem(x, w, b, dy, y, *references.conv_gradients(x, w, dy, *case.shape().values()))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution(ops: Any, case: Case) -> None:
    p, shape = moved(case), case.shape()
    x, dy = packed(p.x), packed(p.dy)
    y, dx = unwritten(case.images, case.kernels, *case.sides()), unwritten(*p.x.shape)
    dw, db, rectified = poisoned(*p.w.shape), poisoned(case.kernels), y.copy()
    ops.conv_forward(x, p.w, p.b, y, **shape)
    ops.conv_forward(x, p.w, p.b, rectified, relu=True, **shape)
    ops.conv_backward_data(dy, p.w, dx, **shape)
    ops.conv_backward_weights(x, dy, dw, db, **shape)
    assert np.isfinite(from_bf16(y)).all() and np.isfinite(from_bf16(dx)).all()
    close_rounded(unpack(y, case.images), p.y)
    assert np.array_equal(from_bf16(rectified), np.maximum(from_bf16(y), 0))
    close_rounded(unpack(dx, case.images), p.dx)
    close(dw, p.dw)
    close(db, p.db)


@cache
def connected(images: int, shape: tuple[int, ...], units: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(images)
    x, w, dy = drawn(rng, images, *shape), drawn(rng, units, int(np.prod(shape))), drawn(rng, images, units)
    b = rng.standard_normal(units, np.float32)
    return x, w, b, dy, references.fc(x, w, b), references.fc_gradients(x, w, dy)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_fully_connected(ops: Any, layer: tuple[Any, ...]) -> None:
    x, w, b, dy, wanted, gradients = connected(*layer)
    images, units = layer[0], layer[2]
    y, dx, dw, db = unwritten(images, units), unwritten(*x.shape), poisoned(*w.shape), poisoned(units)
    inputs, slopes, rectified = packed(x), packed(dy[:, :, None, None]), y.copy()
    ops.fc_forward(inputs, w, b, y)
    ops.fc_forward(inputs, w, b, rectified, relu=True)
    ops.fc_backward_data(slopes, w, dx)
    ops.fc_backward_weights(inputs, slopes, dw, db)
    assert np.isfinite(from_bf16(y)).all() and np.isfinite(from_bf16(dx)).all()
    close_rounded(unpack(y, images)[:, :, 0, 0], wanted)
    assert np.array_equal(from_bf16(rectified), np.maximum(from_bf16(y), 0))
    close_rounded(unpack(dx, images), gradients[0])
    close(dw, gradients[1])
    close(db, gradients[2])
    v = np.random.default_rng(1).standard_normal(w.shape, np.float32)
    weight, momentum, other = w.copy(), v.copy(), w.copy()
    ops.fc_descend(inputs, slopes, weight, momentum, **RATES)
    ops.sgd(other, v, dw, **RATES)
    assert np.array_equal(weight, other) and np.array_equal(momentum, v)


def test_weights_and_outputs_are_rounded_to_the_nearest_even(ops: Any) -> None:
    """Of every kind of last bits, infinities and numbers that are none."""
    bits = np.array([0x3F80, 0x3F81, 0xBF80, 0xBF81], np.uint32)[:, None] << np.uint32(16)
    ends = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    x = np.append((bits + ends).view(np.float32).ravel(), [3.4e38, np.inf, -np.inf, np.nan]).astype(np.float32)
    x = np.append(x, np.array([0x7FFFFFFF], np.uint32).view(np.float32))
    wanted, one, nothing = rounded(x), packed(np.ones((1, 1, 1, 1), np.float32)), np.zeros(len(x), np.float32)
    y = unwritten(1, len(x))
    ops.fc_forward(one, nothing[:, None].copy(), x, y)
    assert np.array_equal(from_bf16(unpack(y, 1)).ravel(), wanted, equal_nan=True)
    ops.fc_forward(one, x[:, None].copy(), nothing, y)
    assert np.array_equal(from_bf16(unpack(y, 1)).ravel(), wanted, equal_nan=True)
    y = unwritten(1, 24)
    ops.conv_forward(one, x[:24, None, None, None].copy(), nothing[:24].copy(), y, stride=1, pad=0, groups=1)
    assert np.array_equal(from_bf16(unpack(y, 1)).ravel(), wanted[:24])


class Halved(Given):
    """Maps are bf16."""

    def place_maps(self, values: Any) -> Any:
        return self.place(to_bf16(values))


class HalvedMisaligned(Halved, Misaligned):
    """And begin anywhere."""


class Exact(Given):
    """The same numbers in float32."""

    def place_maps(self, values: Any) -> Any:
        return rounded(values)


def named(calls: list[Call]) -> Any:
    return pytest.mark.parametrize("call", calls, ids=lambda call: call.__name__)


@named([call for call in CALLS if not call.__name__.startswith(("conv", "fc_", "lrn_max"))] + [fc_backward_bias])
def test_what_is_no_product_is_fp32s_with_its_maps_rounded(build: ModuleType, call: Call) -> None:
    halved = call(build.Bf16(threads=THREADS), Halved())
    for got, wanted in zip(halved, call(build.Direct(threads=THREADS), Exact()), strict=True):
        assert np.array_equal(got, to_bf16(wanted) if got.dtype == np.uint16 else wanted)


@pytest.mark.parametrize("divide", [1.0, 1.1])
def test_augmentation_is_fp32s_rounded(build: ModuleType, divide: float) -> None:
    """Once, when it is divided."""
    rng = np.random.default_rng(1)
    images, mean = list(rng.integers(256, size=(17, 9, 9, 3)).astype(np.uint8)), rng.random((9, 9, 3), np.float32)
    places = np.full((17, 2), 1, np.int32), np.ones(17, np.uint8), rng.standard_normal((17, 3), np.float32)
    halved, wanted = unwritten(17, 3, 7, 7), poisoned_maps(17, 3, 7, 7)
    build.Bf16(threads=THREADS).augment(images, mean, halved, *places, divide=divide)
    build.Direct(threads=THREADS).augment(images, mean, wanted, *places, divide=divide)
    assert np.array_equal(halved, to_bf16(wanted))


def test_responses_and_pooling_in_one_pass_are_the_two(ops: Any) -> None:
    """Bit for bit: of the responses in bf16, many of a window are equal, and the first is taken."""
    rng = np.random.default_rng(1)
    x, dy = packed(rng.uniform(-1, 1, (17, 6, 9, 8)).astype(np.float32)), packed(drawn(rng, 17, 6, 4, 4))
    response, pool = {"n": 5, "k": 2.0, "alpha": 1e-2, "beta": 0.75, "groups": 2}, {"size": 3, "stride": 2}
    y, joined = unwritten(17, 6, 4, 4), unwritten(17, 6, 4, 4)
    argmax, places = (np.full(y.shape, 255, np.uint8) for _ in range(2))
    responses, slopes, dx, way = (unwritten(17, 6, 9, 8) for _ in range(4))
    ops.lrn_forward(x, responses, **response)
    ops.max_pool_forward(responses, y, argmax, **pool)
    ops.lrn_max_pool_forward(x, joined, places, **response, **pool)
    assert np.array_equal(joined, y) and np.array_equal(places, argmax)
    ops.max_pool_backward(dy, argmax, slopes, **pool)
    ops.lrn_backward(x, slopes, dx, **response)
    for relu in (False, True):
        if relu:
            ops.relu_backward(x, dx, dx)
        ops.lrn_max_pool_backward(x, dy, argmax, way, relu=relu, **response, **pool)
        assert np.array_equal(way, dx)


@named(CALLS)
def test_memory_may_be_misaligned_and_threads_any(ops: Any, call: Call) -> None:
    same_for_any_threads(ops, lambda ops: call(ops, Halved()))
    aligned, misaligned = call(ops, Halved()), call(ops, HalvedMisaligned())
    assert [each.tobytes() for each in aligned] == [each.tobytes() for each in misaligned]


def outputs(ops: Any) -> list[Any]:
    """Every result of products, of weights that are not rounded before."""
    rng = np.random.default_rng(3)
    x = packed(rng.standard_normal((17, 40, 9, 7), np.float32))
    dy = packed(rng.standard_normal((17, 70, 5, 4), np.float32))
    w, b = rng.standard_normal((70, 20, 3, 3), np.float32), rng.standard_normal(70, np.float32)
    shape = {"stride": 2, "pad": 1, "groups": 2}
    y, dx, dw, db = unwritten(17, 70, 5, 4), unwritten(17, 40, 9, 7), poisoned(*w.shape), poisoned(70)
    ops.conv_forward(x, w, b, y, **shape)
    ops.conv_backward_data(dy, w, dx, **shape)
    ops.conv_backward_weights(x, dy, dw, db, **shape)
    weights, bias = rng.standard_normal((600, 2520), np.float32), rng.standard_normal(600, np.float32)
    units, slopes = unwritten(17, 600), packed(rng.standard_normal((17, 600, 1, 1), np.float32))
    below, momenta = unwritten(17, 40, 9, 7), np.zeros_like(weights)
    ops.fc_forward(x, weights, bias, units)
    ops.fc_backward_data(slopes, weights, below)
    ops.fc_descend(x, slopes, weights, momenta, **RATES)
    return [y, dx, dw, db, units, below, weights]


def test_threads_change_no_bit(ops: Any) -> None:
    same_for_any_threads(ops, outputs)


def test_every_build_has_the_same_bits() -> None:
    """The model on each instruction set, and the processor's tiles where it has them; db and sgd are a build's own."""
    found = {name: outputs(build.Bf16(threads=1)) for name, build in TILED.items()}
    first = found.pop("base")
    for each in found.values():
        assert all(np.array_equal(a, b) for i, (a, b) in enumerate(zip(first, each, strict=True)) if i not in (3, 6))


def test_not_a_number_reaches_every_output_that_sees_it(ops: Any) -> None:
    """It may reach its neighbours too, where a step meets them with weights of 0."""
    x, w, y = np.zeros((1, 3, 7, 7), np.float32), np.zeros((2, 3, 3, 3), np.float32), unwritten(1, 2, 7, 7)
    x[0, 1, 3, 3] = np.nan
    ops.conv_forward(packed(x), w, np.zeros(2, np.float32), y, stride=1, pad=1, groups=1)
    found = np.isnan(from_bf16(unpack(y, 1)))
    assert found[:, :, 2:5, 2:5].all() and not found[:, :, 5:].any()


def test_shapes_that_do_not_fit(ops: Any) -> None:
    x, y, w, b = unwritten(2, 4, 6, 6), unwritten(2, 4, 6, 6), poisoned(4, 4, 3, 3), poisoned(4)
    shape, wrong = {"stride": 1, "pad": 1, "groups": 1}, {"stride": 2, "pad": 1, "groups": 1}
    with pytest.raises(ValueError, match=r"^conv_forward: b"):
        ops.conv_forward(x, w, poisoned(5), y, **shape)
    with pytest.raises(ValueError, match=r"^conv_backward_data: y's sides"):
        ops.conv_backward_data(y, w, x, **wrong)
    with pytest.raises(ValueError, match=r"^conv_backward_weights: y's sides"):
        ops.conv_backward_weights(x, y, w, b, **wrong)
    units, weights = unwritten(2, 5), poisoned(5, 143)
    with pytest.raises(ValueError, match=r"^fc_forward: w"):
        ops.fc_forward(x, weights, poisoned(5), units)
    with pytest.raises(ValueError, match=r"^fc_backward_data: w"):
        ops.fc_backward_data(units, weights, x)
    with pytest.raises(ValueError, match=r"^fc_backward_weights: w"):
        ops.fc_backward_weights(x, units, weights, poisoned(5))
    with pytest.raises(ValueError, match=r"^fc_descend: v"):
        ops.fc_descend(x, units, poisoned(5, 144), weights, **RATES)
    with pytest.raises(TypeError, match="incompatible function arguments"):  # maps in float32
        ops.relu_forward(poisoned_maps(2, 4), poisoned_maps(2, 4))


def halves(draws: NDArray[np.uint32], low: int, span: int) -> NDArray[np.uint16]:
    """bf16 of three draws each: signs, exponents from `low` on, the bits behind."""
    sign, exponent, rest = draws.reshape(-1, 3).T
    return ((sign & 1) << 15 | (low + exponent % span) << 7 | rest & 127).astype(np.uint16)


def test_tiles_are_the_processors_bit_for_bit(build: ModuleType) -> None:
    """The sum of all results as an Emerald Rapids made them: denormals, wide exponents, and sums that cancel."""
    words = np.frombuffer(np.random.RandomState(7).bytes(4 * 3 * 1280 * ROUNDS), "<u4").reshape(ROUNDS, -1)
    results = []
    for number, draws in enumerate(words):
        drawn = halves(draws, *[(0, 70), (100, 40), (57, 10), (57, 10)][number % 4])
        a, b, c = drawn[:512].reshape(16, 32), drawn[512:1024].reshape(16, 32), drawn[1024:].astype(np.uint32) << 16
        sums = (c.view(np.float32) * np.float32(1e-3)).reshape(16, 16)
        build.tile_dot(sums, a.copy(), b.copy())
        results.append(sums)
    assert hashlib.sha256(np.array(results).tobytes()).hexdigest() == HARDWARE
