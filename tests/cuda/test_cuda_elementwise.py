"""ReLU, tanh, scale, dropout and gradient descent, number by number."""

import numpy as np
import pytest
import references
from cuda_bench import Bench

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
    x = np.ones((11, 2, 3, 2), np.float32)
    step = bench.number(9)
    chosen = {"rate": 0.5, "seed": 77, "step": step, "layer": 0x9ABCDEF0, "first_unit": 5, "first_image": first_image}
    y = bench.empty(*x.shape)
    bench.ops.dropout(bench.maps(x), y, **chosen)
    images = first_image + np.arange(11)
    for unit in range(12):
        blocks = [references.philox((5 + unit, int(image) // 4, 9, 0x9ABCDEF0), (77, 4)) for image in images]
        kept = [words[image % 4] >= 2**31 for words, image in zip(blocks, images, strict=True)]
        assert np.array_equal(bench.plain(y, 11).reshape(11, 12)[:, unit], kept)
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
