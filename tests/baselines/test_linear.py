"""The classifier against scikit-learn's averaged SGD, step by step, and against the optimum."""

import numpy as np
import pytest
import sklearn.linear_model
import sklearn.svm

from alexnet.baselines import linear
from alexnet.baselines.linear import Linear, Sgd, objective, train


def made_up(classes: int, count: int = 120, dims: int = 10) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(classes)
    labels = random.integers(0, classes, count).astype(np.int32)
    rows = random.normal(size=(classes, dims))[labels] + random.normal(0, 0.8, (count, dims))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), labels


def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows as they lie, for those who cannot be told another order."""

    def batches(count, sgd, seed):
        for epoch in range(sgd.epochs):
            for at in range(0, count, sgd.batch):
                yield epoch, np.arange(at, min(at + sgd.batch, count))

    monkeypatch.setattr(linear, "_batches", batches)


@pytest.mark.parametrize("epochs", [1, 4])
def test_every_step_is_scikit_learns(monkeypatch, epochs):
    """One row a step at a constant rate; it averages from the second epoch on too."""
    in_order(monkeypatch)
    rows, labels = made_up(3)
    ours = train(rows, labels, 3, Sgd(decay=0.01, rate=0.1, power=0, epochs=epochs, batch=1))
    for each in range(3):
        theirs = sklearn.linear_model.SGDClassifier(
            loss="hinge",
            alpha=0.01,
            learning_rate="constant",
            eta0=0.1,
            average=len(rows) + 1 if epochs > 1 else False,
            shuffle=False,
            max_iter=epochs,
            tol=None,
        ).fit(rows, labels == each)
        np.testing.assert_allclose(ours.weights[:, each], theirs.coef_[0], rtol=0, atol=1e-10)
        np.testing.assert_allclose(ours.biases[each], theirs.intercept_[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("several", [False, True])
def test_a_batch_is_the_mean_gradient_at_the_falling_rate(monkeypatch, several):
    """Of rows of a class each, or of any number of them, of which some rows say nothing."""
    in_order(monkeypatch)
    rows, labels = made_up(2, count=10, dims=4)
    if several:
        labels = np.array([[1, 1], [1, -1], [-1, 1], [0, 1], [-1, 0], [0, 0], [-1, -1], [1, 0], [0, -1], [1, 1]])
    ours = train(rows, labels, 2, Sgd(decay=0.1, rate=0.5, power=0.75, epochs=3, batch=4))
    for each in range(2):
        weights, bias, sums, steps, step = np.zeros(4), 0.0, [np.zeros(4), 0.0], 0, 0
        for epoch in range(3):
            for at in (0, 4, 8):
                step += 1
                rate = 0.5 * (1 + 0.1 * 0.5 * step) ** -0.75
                batch = range(at, min(at + 4, 10))
                signs = {i: labels[i, each] if several else 1.0 if labels[i] == each else -1.0 for i in batch}
                short = [i for i in batch if signs[i] and signs[i] * (rows[i] @ weights + bias) < 1]
                weights = (1 - rate * 0.1) * weights + rate / len(batch) * sum(
                    (signs[i] * rows[i] for i in short), np.zeros(4)
                )
                bias += rate / len(batch) * sum(signs[i] for i in short)
                if epoch:
                    steps += 1
                    sums = [sums[0] + weights, sums[1] + bias]
        np.testing.assert_allclose(ours.weights[:, each], sums[0] / steps, rtol=0, atol=1e-12)
        np.testing.assert_allclose(ours.biases[each], sums[1] / steps, rtol=0, atol=1e-12)


def test_it_comes_near_the_optimum():
    rows, labels = made_up(4, count=400)
    decay = 1e-2
    ours = train(rows, labels, 4, Sgd(decay=decay, epochs=100, batch=8))
    best = 0.0
    for each in range(4):
        svm = sklearn.svm.LinearSVC(loss="hinge", C=1 / (decay * len(rows)), intercept_scaling=10, max_iter=100_000)
        svm.fit(rows, labels == each)
        signs = np.where(labels == each, 1, -1)
        margins = signs * svm.decision_function(rows)
        best += np.maximum(0, 1 - margins).mean() + decay / 2 * (svm.coef_**2).sum()
    assert abs(objective(ours, rows, labels, decay) / best - 1) < 0.003  # seen: 0.001; after two epochs 0.018


def test_half_precision_rows_are_computed_in_single():
    rows, labels = made_up(3)
    found = train(rows.astype(np.float16), labels, 3, Sgd())
    assert found.weights.dtype == found(rows.astype(np.float16)).dtype == np.float32
    assert (found(rows).argmax(axis=1) == labels).mean() > 0.7


def test_what_a_row_says_nothing_of_is_not_minimised():
    rows, _ = made_up(2, count=6)
    found = Linear(np.full((10, 2), 0.5), np.zeros(2))
    signs = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [0, 0]], np.int8)
    said = [(row.sum() / 2, sign) for row, own in zip(rows, signs, strict=True) for sign in own if sign]
    hinge = sum(max(0, 1 - sign * score) for score, sign in said)
    assert objective(found, rows, signs, 0.1) == pytest.approx(hinge / 6 + 0.05 * 20 * 0.25)


def test_a_seed_decides_the_order_and_each_epoch_has_its_own():
    rows, labels = made_up(3)
    once = train(rows, labels, 3, Sgd(rate=1.0), seed=1)
    assert (train(rows, labels, 3, Sgd(rate=1.0), seed=1).weights == once.weights).all()
    assert (train(rows, labels, 3, Sgd(rate=1.0), seed=2).weights != once.weights).any()
    orders = [chosen for _, chosen in linear._batches(50, Sgd(epochs=2, batch=50), 0)]
    assert [sorted(each) for each in orders] == [list(range(50))] * 2
    firsts = [chosen.tolist() for _, chosen in linear._batches(50, Sgd(epochs=2, batch=5), 0)]
    assert firsts[0] != firsts[10]


@pytest.mark.parametrize(("scale", "above"), [(1, True), (10, False)])
def test_the_rate_is_one_from_which_neither_half_nor_double_comes_lower(scale, above):
    rows, labels = made_up(5, count=300)
    rows = scale * rows
    sgd = Sgd(decay=1e-3)
    rate = linear._best_rate(rows, labels, 5, sgd, 0)

    def reached(at: float) -> float:
        once: Linear = train(rows, labels, 5, Sgd(decay=1e-3, rate=at, epochs=1))
        return objective(once, rows, labels, 1e-3)

    assert reached(rate) <= min(reached(rate / 2), reached(rate * 2))
    assert rate > 1 if above else rate < 1
