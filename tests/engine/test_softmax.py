"""Softmax and log-loss (section 3.5) against float64 loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import references
from comparison import F32, close_each, finite_difference, pack, poisoned_maps, same_for_any_threads, unpack

SIZES = [(1, 1), (1, 2), (15, 10), (17, 1000), (130, 3)]


def run(engine: Any, logits: F32, labels: Any, factor: float) -> tuple[F32, F32, Any]:
    images, classes = logits.shape
    probs, gradient = poisoned_maps(images, classes), poisoned_maps(images, classes)
    losses = np.full(images, np.nan)
    engine.softmax_loss(pack(logits[:, :, None, None]), labels, probs, gradient, losses, images=images, factor=factor)
    assert np.isfinite(probs).all()
    assert not unpack(gradient, len(gradient) * 16)[images:].any(), "lanes beyond the last image"
    return unpack(probs, images)[:, :, 0, 0], unpack(gradient, images)[:, :, 0, 0], losses


def problem(images: int, classes: int) -> tuple[F32, Any]:
    rng = np.random.default_rng(images)
    logits = rng.standard_normal((images, classes), np.float32) * 3
    return logits, rng.integers(classes, size=images).astype(np.int32)


@pytest.mark.parametrize(("images", "classes"), SIZES)
def test_all_outputs(engine: Any, images: int, classes: int) -> None:
    logits, labels = problem(images, classes)
    probs, gradient, losses = run(engine, logits, labels, 1 / images)
    expected = references.softmax_loss(logits.astype(np.float64), labels, float(np.float32(1 / images)))
    close_each(probs, expected[0], expected[0], 2**-24)  # sums are in double: one rounding
    assert np.allclose(losses, expected[1], rtol=1e-12, atol=1e-12)
    assert np.abs(gradient - expected[2]).max() <= 1e-7


def test_large_logits(engine: Any) -> None:
    logits = np.array([[1e4, -1e4, 0], [-3e4, -3e4, -3e4]], np.float32)
    probs, _, losses = run(engine, logits, np.array([1, 2], np.int32), 1.0)
    assert np.allclose(probs, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    assert np.allclose(losses, [2e4, np.log(3)])


def test_slopes(engine: Any) -> None:
    logits, labels = problem(15, 10)
    _, gradient, _ = run(engine, logits, labels, 1.0)

    def loss(x: F32) -> float:
        return float(run(engine, x, labels, 1.0)[2].sum())

    finite_difference(loss, logits, gradient, np.random.default_rng(3), step=1 / 256, bound=1e-5)  # seen: 8e-7


def test_same_for_any_threads(engine: Any) -> None:
    logits, labels = problem(33, 10)
    same_for_any_threads(engine, lambda engine: list(run(engine, logits, labels, 0.1)))


def test_shapes_that_do_not_fit(engine: Any) -> None:
    def call(shape: tuple[int, ...] = (1, 4, 1, 1, 16), labels: Any = (0, 3), losses: int = 2, images: int = 2) -> None:
        good = np.zeros((1, 4, 1, 1, 16), np.float32)
        engine.softmax_loss(
            np.zeros(shape, np.float32),
            np.array(labels, np.int32),
            good,
            good.copy(),
            np.zeros(losses),
            images=images,
            factor=1.0,
        )

    call()
    for wrong, message in [
        ({"shape": (1, 4, 2, 1, 16)}, r"logits \(1, 4, 2, 1, 16\)"),
        ({"shape": (1, 5, 1, 1, 16)}, r"logits \(1, 5, 1, 1, 16\)"),
        ({"labels": (0, 4)}, r"label 4 of image 1"),
        ({"labels": (-1, 0)}, r"label -1 of image 0"),
        ({"labels": (0, 1, 2)}, "labels"),
        ({"losses": 3}, "losses"),
        ({"images": 17}, "17 images"),
        ({"images": 0}, "0 images"),
    ]:
        with pytest.raises(ValueError, match=f"^softmax_loss: .*{message}"):
            call(**wrong)
