"""ReLU, tanh, scale, dropout and gradient descent, number by number."""

import numpy as np
import pytest
import references
from cuda_bench import Bench

from alexnet.engines import Move
from alexnet.engines.cuda.sizes import SIZES

SHAPE = (5, 3, 4, 7)


def test_relu(bench: Bench, random: np.random.Generator) -> None:
    x, dy = bench.values(random, *SHAPE), bench.values(random, *SHAPE)
    x.flat[0] = 0.0
    y = bench.maps(x)
    bench.ops.relu_forward(y, y)  # in place, as the net does
    assert np.array_equal(bench.plain(y, 5), np.maximum(x, 0))
    dx = bench.maps(dy)
    bench.ops.relu_backward(y, dx, dx)
    assert np.array_equal(bench.plain(dx, 5), np.where(x > 0, dy, 0))


def test_tanh(bench: Bench, random: np.random.Generator) -> None:
    x, dy = bench.values(random, *SHAPE), bench.values(random, *SHAPE)
    y, dx = bench.empty(*SHAPE), bench.empty(*SHAPE)
    bench.ops.tanh_forward(bench.maps(x), y)
    wanted = np.tanh(x.astype(np.float64))
    bench.close(bench.plain(y, 5), wanted, np.abs(wanted))
    bench.ops.tanh_backward(y, bench.maps(dy), dx)
    bench.close(bench.plain(dx, 5), dy * (1 - bench.plain(y, 5).astype(np.float64) ** 2), np.abs(dy))


def test_scale(bench: Bench, random: np.random.Generator) -> None:
    x = bench.values(random, *SHAPE)
    y = bench.empty(*SHAPE)
    bench.ops.scale(bench.maps(x), y, factor=0.5)
    assert np.array_equal(bench.plain(y, 5), x * 0.5)


@pytest.mark.parametrize("first_image", [0, 6, 9])
def test_dropout_draws_the_words_of_the_formula(bench: Bench, random: np.random.Generator, first_image: int) -> None:
    """Those below the rate are dropped: below a half, and below a rate that lies just above one of them."""
    x = np.ones((11, 2, 3, 2), np.float32)
    step = bench.number(9)
    chosen = {"rate": 0.5, "seed": 77, "step": step, "layer": 0x9ABCDEF0, "first_unit": 5, "first_image": first_image}
    y = bench.empty(*x.shape)
    bench.ops.dropout(bench.maps(x), y, **chosen)
    images = first_image + np.arange(11)
    draws = [
        [references.philox((5 + unit, int(image) // 4, 9, 0x9ABCDEF0), (77, 4))[image % 4] for unit in range(12)]
        for image in images
    ]
    assert np.array_equal(bench.plain(y, 11).reshape(11, 12), np.array(draws) >= 2**31)
    above = int(draws[7][5]) + 1
    tight = bench.empty(*x.shape)
    bench.ops.dropout(bench.maps(x), tight, **(chosen | {"rate": above / 2**32}))
    assert np.array_equal(bench.plain(tight, 11).reshape(11, 12), np.array(draws) >= above)
    again = bench.empty(*x.shape)
    bench.ops.dropout(bench.maps(x), again, **(chosen | {"step": bench.number(10)}))
    assert not np.array_equal(bench.plain(again, 11), bench.plain(y, 11))


@pytest.mark.parametrize(("rate", "kept"), [(0.0, 1.0), (1.0, 0.0)])
def test_dropout_at_its_ends(bench: Bench, rate: float, kept: float) -> None:
    y = bench.empty(3, 5, 1, 1)
    x = bench.maps(np.ones((3, 5, 1, 1), np.float32))
    bench.ops.dropout(x, y, rate=rate, seed=1, step=bench.number(0), layer=3, first_unit=0, first_image=0)
    assert (bench.plain(y, 3) == kept).all()


@pytest.mark.parametrize("size", [1, 4, 255, 257, 5000])
def test_sgd(bench: Bench, random: np.random.Generator, size: int) -> None:
    w, v, g = (random.standard_normal(size).astype(np.float32) for _ in range(3))
    there = [bench.upload(each) for each in (w, v, g)]
    numbers = {"rate": 0.01, "momentum": 0.9, "decay": 0.0005}
    bench.ops.sgd(*there, **{name: bench.number(value) for name, value in numbers.items()})
    wanted = 0.9 * v.astype(np.float64) - 0.0005 * 0.01 * w - 0.01 * g  # (paper, 5)
    bench.near(bench.engine.download(there[1]), wanted, 1e-6)
    bench.near(bench.engine.download(there[0]), w + wanted, 1e-6)


def test_sgd_of_more_parameters_than_a_launch_takes(bench: Bench, random: np.random.Generator) -> None:
    """Each by its own numbers, and none beyond its end."""
    sizes = [1 + 37 * at % 11 for at in range(SIZES["SGD_TOGETHER"] + 3)]
    plain = [[random.standard_normal(size).astype(np.float32) for _ in range(3)] for size in sizes]
    rates = [0.01 * (1 + at) for at in range(len(sizes))]
    momentum, decay = bench.number(0.9), bench.number(0.0005)
    there = [[bench.upload(each) for each in arrays] for arrays in plain]
    bench.engine.descend(
        [Move(*arrays, bench.number(rate), momentum, decay) for arrays, rate in zip(there, rates, strict=True)]
    )
    for (w, v, g), arrays, rate in zip(plain, there, rates, strict=True):
        wanted = 0.9 * v.astype(np.float64) - 0.0005 * rate * w - rate * g
        found = bench.engine.download(arrays[0]), bench.engine.download(arrays[1])
        assert np.abs(found - np.array([w + wanted, wanted])).max() <= 2e-6  # roundings of numbers up to 5


# images, maps, side, kernels, size, groups
PACKED = [(3, 3, 6, 5, 3, 1), (2, 6, 5, 10, 2, 2), (1, 1, 4, 1, 3, 1), (2, 1, 4, 7, 1, 1), (2, 140, 2, 6, 1, 1)]


@pytest.mark.parametrize(("images", "maps", "side", "kernels", "size", "groups"), PACKED)
def test_convolutions_read_the_weights_that_have_moved(
    bench: Bench, random: np.random.Generator, images: int, maps: int, side: int, kernels: int, size: int, groups: int
) -> None:
    """Both ways, bit for bit as with weights packed anew; so after weights were assigned."""
    w = bench.upload(bench.values(random, kernels, maps // groups, size, size))
    x = bench.maps(bench.values(random, images, maps, side, side))
    b = bench.upload(np.zeros(kernels, np.float32))
    to = side - size + 1
    dy = bench.maps(bench.values(random, images, kernels, to, to))

    def both(weights: object) -> list[np.ndarray]:  # type: ignore[type-arg]
        y, dx = bench.empty(images, kernels, to, to), bench.empty(images, maps, side, side)
        bench.ops.conv_forward(x, weights, b, y, stride=1, pad=0, groups=groups)
        bench.ops.conv_backward_data(dy, weights, dx, stride=1, pad=0, groups=groups)
        return [bench.plain(each, images) for each in (y, dx)]

    before = both(w)
    v, g = bench.upload(np.zeros(w.shape, np.float32)), bench.upload(random.standard_normal(w.shape, np.float32))
    numbers = [bench.number(each) for each in (1.0, 0.0, 0.0)]
    bench.engine.descend([Move(w, v, g, *numbers)])
    moved = both(w)
    assert not np.array_equal(moved[0], before[0])
    assert all(map(np.array_equal, moved, both(bench.upload(bench.engine.download(w)))))
    w[...] = bench.values(random, *w.shape)
    assert all(map(np.array_equal, both(w), both(bench.upload(bench.engine.download(w)))))
