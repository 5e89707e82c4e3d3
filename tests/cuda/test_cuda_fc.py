"""Fully connected layers and the softmax loss against float64 products."""

import numpy as np
import pytest
import references
from cuda_bench import Bench

from alexnet.metrics import misses


@pytest.mark.parametrize(("images", "maps", "units"), [(1, 1, 1), (3, 5, 7), (16, 5, 9), (17, 12, 33), (300, 1, 2)])
def test_fc(bench: Bench, random: np.random.Generator, images: int, maps: int, units: int) -> None:
    x, dy = bench.values(random, images, maps, 2, 3), bench.values(random, images, units, 1, 1)
    w = bench.values(random, units, maps * 6)
    b = random.standard_normal(units).astype(np.float32)
    rows, there = x.reshape(images, -1).astype(np.float64), bench.upload(w)
    y, dx = bench.empty(images, units, 1, 1), bench.empty(*x.shape)
    bench.ops.fc_forward(bench.maps(x), there, bench.upload(b), y)
    bench.close(bench.plain(y, images)[:, :, 0, 0], rows @ w.T + b, through=rows @ w.T)
    bench.ops.fc_backward_data(bench.maps(dy), there, dx)
    bench.close(bench.plain(dx, images).reshape(images, -1), dy[:, :, 0, 0].astype(np.float64) @ w)
    dw, db = bench.poisoned(w), bench.poisoned(b)
    bench.ops.fc_backward_weights(bench.maps(x), bench.maps(dy), dw, db)
    bench.near(bench.engine.download(dw), dy[:, :, 0, 0].T.astype(np.float64) @ rows)
    bench.near(bench.engine.download(db), dy.sum((0, 2, 3), dtype=np.float64))


def test_products_see_every_change_of_the_weights(bench: Bench, random: np.random.Generator) -> None:
    """The bf16 copy of the weights follows assignment and descent, to the last of weights that make no whole fours."""
    x, w = (
        bench.values(random, 2, 5, 1, 1),
        random.integers(-16, 17, (3, 5)).astype(np.float32) / 8,
    )  # all exact in bf16
    there, zeros = bench.upload(w), bench.upload(np.zeros(3, np.float32))
    y, x_there = bench.empty(2, 3, 1, 1), bench.maps(x)

    def forward(weights: np.ndarray) -> None:  # type: ignore[type-arg]
        bench.ops.fc_forward(x_there, there, zeros, y)
        bench.close(bench.plain(y, 2)[:, :, 0, 0], x[:, :, 0, 0] @ weights.T)

    forward(w)
    there[...] = bench.upload(2 * w)
    forward(2 * w)
    gradient = bench.upload(np.ones_like(w))
    numbers = {"rate": bench.number(0.5), "momentum": bench.number(0.9), "decay": bench.number(0.0)}
    bench.ops.sgd(there, bench.upload(np.zeros_like(w)), gradient, **numbers)
    forward(2 * w - 0.5)


@pytest.mark.parametrize(("images", "classes"), [(1, 1), (3, 10), (9, 1000), (16, 33)])
def test_softmax_loss(bench: Bench, random: np.random.Generator, images: int, classes: int) -> None:
    logits = bench.rounded(5 * bench.values(random, images, classes, 1, 1))
    labels = random.integers(0, classes, images).astype(np.int32)
    probs, dlogits = bench.empty(*logits.shape), bench.empty(*logits.shape)
    losses = bench.poisoned(np.zeros(images))
    there = bench.maps(logits), bench.upload(labels), probs, dlogits, losses
    bench.ops.softmax_loss(*there, images=images, factor=0.25)
    wanted, wanted_losses, wanted_gradient = references.softmax_loss(logits[:, :, 0, 0], labels, 0.25)
    bench.close(bench.plain(probs, images)[:, :, 0, 0], wanted, wanted)
    bench.near(bench.engine.download(losses), wanted_losses)
    terms = 0.25 * (wanted + np.eye(classes)[labels])
    bench.close(bench.plain(dlogits, images)[:, :, 0, 0], wanted_gradient, terms)
    padded = bench.plain(dlogits, dlogits.shape[3])[images:]
    assert (padded == 0).all()


@pytest.mark.parametrize(("images", "classes"), [(1, 1), (11, 3), (16, 40), (41, 5)])
def test_a_step_s_loss_and_misses(bench: Bench, random: np.random.Generator, images: int, classes: int) -> None:
    """By probabilities as they are, with ties and one that is not a number."""
    probs = random.integers(0, 4, (images, classes, 1, 1)).astype(np.float32) / 4
    probs[images // 2, -1] = np.nan
    labels, losses = random.integers(0, classes, images).astype(np.int32), random.standard_normal(images)
    sums = bench.poisoned(np.zeros(2))
    bench.ops.tally(bench.maps(probs), bench.upload(labels), bench.upload(losses), sums)
    loss, wrong = bench.engine.download(sums)
    assert loss == pytest.approx(losses.sum(), rel=1e-12, abs=1e-12)
    assert wrong == misses(probs[:, :, 0, 0], labels, 1)


def test_large_logits_do_not_overflow(bench: Bench) -> None:
    logits = np.array([[1000.0, -1000.0]], np.float32)[:, :, None, None]
    probs, dlogits, losses = bench.empty(1, 2, 1, 1), bench.empty(1, 2, 1, 1), bench.poisoned(np.zeros(1))
    label = bench.upload(np.array([1], np.int32))
    bench.ops.softmax_loss(bench.maps(logits), label, probs, dlogits, losses, images=1, factor=1.0)
    assert bench.engine.download(losses) == 2000.0
