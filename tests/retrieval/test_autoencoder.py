"""The autoencoder: its gradients by differences, its rounding, and that it learns."""

import numpy as np
import pytest

from alexnet.retrieval import autoencoder
from alexnet.retrieval.autoencoder import State, Training, begun, loss_and_gradients, start, train


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


def test_a_step_is_adams():
    """Kingma and Ba, Algorithm 1, value by value in float64, three steps of it."""
    random = np.random.default_rng(3)
    net = double(begun(np.zeros(8, np.float32), 1.0, 2, 0))
    state = State(0, net, [np.zeros_like(each) for each in net.values], [np.zeros_like(each) for each in net.values])
    value, mean, square = net.weights[3][0, 0], 0.0, 0.0
    for step in range(1, 4):
        gradients = [random.normal(size=each.shape) for each in net.values]
        state.step = step
        autoencoder._move(state, gradients, 0.01)
        gradient = gradients[3][0, 0]
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        value -= 0.01 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        assert net.weights[3][0, 0] == pytest.approx(value, rel=1e-5)


def test_it_learns_codes_that_tell_clouds_apart(clouds):
    features, losses = clouds(), []
    net = train(features, start(features, 8), Training(60, 20, 0.01), 0, lambda step, loss: losses.append(loss))
    assert len(losses) == 60 * 20
    assert np.mean(losses[-20:]) < 0.25 * np.mean(losses[:20])
    codes = net(features.all().astype(np.float32))
    apart = (codes[:, None] != codes[None]).sum(axis=2)
    same = features.labels[:, None] == features.labels[None]
    assert apart[same].mean() < 0.5 < 1.5 < apart[~same].mean()


def test_the_rate_falls_to_0_along_half_a_cosine(clouds, monkeypatch):
    rates = []
    monkeypatch.setattr(autoencoder, "_move", lambda state, gradients, rate: rates.append(rate))
    features = clouds(count=50)
    train(features, start(features, 4), Training(epochs=2, batch=20, rate=8.0))
    np.testing.assert_allclose(rates, [4 * (1 + np.cos(np.pi * step / 6)) for step in range(6)])


def test_each_epoch_sees_every_row_once_in_an_order_of_its_own():
    batches = list(autoencoder._batches(50, Training(epochs=2, batch=20), 0))
    assert [len(each) for each in batches] == [20, 20, 10] * 2
    assert sorted(np.concatenate(batches[:3])) == sorted(np.concatenate(batches[3:])) == list(range(50))
    assert (batches[0] != batches[3]).any()


def test_a_training_goes_on_as_if_it_had_not_stopped(clouds):
    features, training = clouds(count=100), Training(epochs=3, batch=30)
    straight = train(features, start(features, 4, 5), training, 5)

    def stop(step: int, loss: float) -> None:
        if step == 5:
            raise KeyboardInterrupt

    state = start(features, 4, 5)
    with pytest.raises(KeyboardInterrupt):
        train(features, state, training, 5, stop)
    resumed = train(features, state, training, 5)
    assert all((one == other).all() for one, other in zip(straight.values, resumed.values, strict=True))


def test_a_seed_decides(clouds):
    features = clouds(count=100)

    def weights(first: int, order: int) -> np.ndarray:
        return train(features, start(features, 4, first), Training(epochs=1, batch=40), order).weights[0]

    assert (weights(1, 1) == weights(1, 1)).all()
    assert (weights(1, 1) != weights(2, 1)).any()
    assert (weights(1, 1) != weights(1, 2)).any()


def test_the_call_gives_the_codes_that_training_rounded(clouds):
    features = clouds()
    net = train(features, start(features, 8), Training(epochs=2))
    assert net.bits == 8
    rows = (features.all().astype(np.float32) - net.mean) / np.float32(net.scale)
    hidden = np.tanh(np.tanh(rows @ net.weights[0] + net.biases[0]) @ net.weights[1] + net.biases[1])
    wanted = 1 / (1 + np.exp(-(hidden @ net.weights[2] + net.biases[2]))) > 0.5
    assert (net(features.all().astype(np.float32)) == wanted).all()


def test_the_mean_and_the_scale_are_those_of_the_rows(clouds):
    features = clouds()
    rows = features.all().astype(np.float64)
    net = start(features, 4).net
    np.testing.assert_allclose(net.mean, rows.mean(axis=0), rtol=1e-6)
    assert net.scale == pytest.approx(np.sqrt(rows.var(axis=0).mean()), rel=1e-6)
