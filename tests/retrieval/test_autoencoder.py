"""The autoencoder: its gradients by differences, its rounding, and that it learns."""

import numpy as np
import pytest

from alexnet.retrieval import autoencoder
from alexnet.retrieval.autoencoder import Training, begun, loss_and_gradients, train
from alexnet.retrieval.features import Features, Origin, write


def double(net: autoencoder.Autoencoder) -> autoencoder.Autoencoder:
    weights, biases = ([each.astype(np.float64) for each in kind] for kind in (net.weights, net.biases))
    return autoencoder.Autoencoder(net.mean.astype(np.float64), net.scale, weights, biases)


def by_loops(net: autoencoder.Autoencoder, rows: np.ndarray, rounded: bool) -> float:
    """The loss from the definition, unit by unit."""
    total = 0.0
    for row in rows:
        values = list(row)
        for layer in range(6):
            sums = [
                sum(value * net.weights[layer][i, j] for i, value in enumerate(values)) + net.biases[layer][j]
                for j in range(net.weights[layer].shape[1])
            ]
            if layer == 2:
                values = [1 / (1 + np.exp(-each)) for each in sums]
                values = [float(each > 0.5) for each in values] if rounded else values
            else:
                values = sums if layer == 5 else [np.tanh(each) for each in sums]
        total += sum((a - b) ** 2 for a, b in zip(values, row, strict=True)) / 2
    return total / len(rows)


@pytest.fixture
def small() -> tuple[autoencoder.Autoencoder, np.ndarray]:
    net = double(begun(np.zeros(16, np.float32), 1.0, 3, 0))
    return net, np.random.default_rng(1).normal(size=(5, 16))


def test_sizes_scale_with_the_features():
    net = begun(np.zeros(4096, np.float32), 1.0, 28, 0)
    assert [each.shape for each in net.weights] == [
        (4096, 1024),
        (1024, 512),
        (512, 28),
        (28, 512),
        (512, 1024),
        (1024, 4096),
    ]


def test_the_loss_is_that_of_rounded_codes(small):
    net, rows = small
    assert loss_and_gradients(net, rows)[0] == pytest.approx(by_loops(net, rows, rounded=True), rel=1e-12)


def test_gradients_are_those_of_the_net_without_rounding_where_the_code_is_already_round(small, monkeypatch):
    """With rounding taken out, by central differences in float64: what remains is every formula of the way back."""
    net, rows = small
    monkeypatch.setattr(np, "round", lambda values: values)
    _, gradients = loss_and_gradients(net, rows)
    for values, gradient in zip((*net.weights, *net.biases), gradients, strict=True):
        for place in np.random.default_rng(2).integers(0, values.size, 4):
            index = np.unravel_index(place, values.shape)
            kept, step = values[index], 1e-5
            values[index] = kept + step
            above = by_loops(net, rows, rounded=False)
            values[index] = kept - step
            below = by_loops(net, rows, rounded=False)
            values[index] = kept
            assert gradient[index] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-9)


def test_rounding_has_the_slope_1(small):
    """The decoder's gradients see round codes, the encoder's pass as if they were not: only the codes' slope is
    between them."""
    net, rows = small
    _, gradients = loss_and_gradients(net, rows)
    hidden = np.tanh(np.tanh(rows @ net.weights[0] + net.biases[0]) @ net.weights[1] + net.biases[1])
    chance = 1 / (1 + np.exp(-(hidden @ net.weights[2] + net.biases[2])))
    code = (chance > 0.5).astype(float)
    first = np.tanh(code @ net.weights[3] + net.biases[3])
    second = np.tanh(first @ net.weights[4] + net.biases[4])
    error = (second @ net.weights[5] + net.biases[5] - rows) / len(rows)
    back = error @ net.weights[5].T * (1 - second**2)
    back = back @ net.weights[4].T * (1 - first**2)
    np.testing.assert_allclose(gradients[3], code.T @ back, rtol=0, atol=1e-12)
    back = back @ net.weights[3].T * chance * (1 - chance)
    np.testing.assert_allclose(gradients[2], hidden.T @ back, rtol=0, atol=1e-12)


@pytest.fixture
def clusters(tmp_path) -> Features:
    """Eight clouds of rows far from 0; the label is the cloud's number."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 8, 400).astype(np.int32)
    rows = (random.normal(20, 5, (8, 32))[labels] + random.normal(0, 1, (400, 32))).astype(np.float32)
    write(tmp_path / "f.h5", Origin("", "", "", ""), labels, 32, lambda images: rows[images.start : images.stop])
    return Features(tmp_path / "f.h5")


def test_it_learns_codes_that_tell_clouds_apart(clusters):
    losses = []
    net = train(clusters, 8, Training(epochs=60, batch=20, rate=0.01), 0, lambda rows, loss: losses.append(loss))
    assert len(losses) == 60 * 20
    assert np.mean(losses[-20:]) < 0.25 * np.mean(losses[:20])
    codes = net(clusters.all().astype(np.float32))
    apart = (codes[:, None] != codes[None]).sum(axis=2)
    same = clusters.labels[:, None] == clusters.labels[None]
    assert apart[same].mean() < 0.5 < 1.5 < apart[~same].mean()


def test_a_seed_decides(clusters):
    def weights(seed: int) -> np.ndarray:
        return train(clusters, 4, Training(epochs=1), seed).weights[0]

    assert (weights(1) == weights(1)).all()
    assert (weights(1) != weights(2)).any()


def test_the_call_gives_the_codes_that_training_rounded(clusters):
    net = train(clusters, 8, Training(epochs=2, rate=0.01), 0)
    rows = (clusters.all().astype(np.float32) - net.mean) / np.float32(net.scale)
    hidden = np.tanh(np.tanh(rows @ net.weights[0] + net.biases[0]) @ net.weights[1] + net.biases[1])
    wanted = 1 / (1 + np.exp(-(hidden @ net.weights[2] + net.biases[2]))) > 0.5
    assert (net(clusters.all().astype(np.float32)) == wanted).all()
