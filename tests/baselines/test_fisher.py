"""Fisher vectors against loops from the formula, and scikit-image's."""

import numpy as np
import pytest
import skimage.feature
import sklearn.mixture

from alexnet.baselines.fisher import FisherCoder, FisherPlan, evened, fisher_vector
from alexnet.baselines.mixture import Mixture
from alexnet.pca import Pca

CELLS = ((1, 1), (2, 2), (3, 1))


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(300, 6)) * np.arange(1, 7)


@pytest.fixture(scope="module")
def model(rows: np.ndarray) -> sklearn.mixture.GaussianMixture:
    return sklearn.mixture.GaussianMixture(4, covariance_type="diag", random_state=0).fit(rows)


def ours(model: sklearn.mixture.GaussianMixture) -> Mixture:
    return Mixture(model.weights_, model.means_, model.covariances_)


def test_it_is_the_formula(rows, model):
    few, gaussians = rows[:40], ours(model)
    posteriors = gaussians.posteriors(few)
    means, deviations = np.zeros((4, 6)), np.zeros((4, 6))
    for k, d in np.ndindex(4, 6):
        weight, mean, deviation = model.weights_[k], model.means_[k, d], np.sqrt(model.covariances_[k, d])
        for row, posterior in zip(few, posteriors, strict=True):
            away = (row[d] - mean) / deviation
            means[k, d] += posterior[k] * away / (40 * np.sqrt(weight))
            deviations[k, d] += posterior[k] * (away**2 - 1) / (40 * np.sqrt(2 * weight))
    wanted = np.concatenate([means.ravel(), deviations.ravel()])
    np.testing.assert_allclose(fisher_vector(few, posteriors, gaussians), wanted, rtol=0, atol=1e-12)


def test_it_is_scikit_images(rows, model):
    """Whose vector begins with K gradients to the weights, and whose second half has the other sign."""
    few, gaussians = rows[40:90], ours(model)
    theirs = skimage.feature.fisher_vector(few, model)[4:]
    theirs[24:] *= -1
    np.testing.assert_allclose(fisher_vector(few, gaussians.posteriors(few), gaussians), theirs, rtol=0, atol=1e-10)


def test_descriptors_that_follow_the_mixture_would_not_move_it(rows):
    """Where EM has ended; the first 40 of them alone would, by 0.3."""
    mixture = sklearn.mixture.GaussianMixture(4, covariance_type="diag", random_state=0, tol=1e-9, max_iter=10_000)
    gaussians = ours(mixture.fit(rows))
    assert np.abs(fisher_vector(rows, gaussians.posteriors(rows), gaussians)).max() < 1e-4


def test_a_signature_has_the_vector_of_each_cell(rows, model):
    gaussians, axes = ours(model), Pca(np.zeros(6), np.eye(6))
    coder = FisherCoder(axes, gaussians, CELLS)
    places = np.random.default_rng(1).uniform(0, 1, (300, 2))
    places[:2] = [[0, 0], [1, 1]]  # the edges belong to cells too
    signature = coder(rows, places).reshape(8, -1)
    assert coder.length == signature.size == 8 * 2 * 4 * 6
    np.testing.assert_allclose(np.linalg.norm(signature, axis=1), 1 / np.sqrt(8), rtol=1e-6)
    y, x = places.T
    inside = {0: y >= 0, 2: (y < 0.5) & (x >= 0.5), 6: (y >= 1 / 3) & (y < 2 / 3)}
    for cell, chosen in inside.items():
        wanted = evened(fisher_vector(rows[chosen], gaussians.posteriors(rows[chosen]), gaussians)) / np.sqrt(8)
        np.testing.assert_allclose(signature[cell], wanted, rtol=0, atol=1e-7)


def test_a_cell_without_a_descriptor_is_0(rows, model):
    coder = FisherCoder(Pca(np.zeros(6), np.eye(6)), ours(model), CELLS)
    signature = coder(rows[:9], np.full((9, 2), 0.1)).reshape(8, -1)
    assert signature.any(axis=1).tolist() == [True, True, False, False, False, True, False, False]


def test_evened_takes_the_signed_root():
    np.testing.assert_allclose(evened(np.array([4.0, -1.0, 0.0])), np.array([2, -1, 0]) / np.sqrt(5))
    assert not evened(np.zeros(3)).any()


def test_single_precision_is_enough(rows, model):
    gaussians = ours(model)
    small = Mixture(*(each.astype(np.float32) for each in (gaussians.weights, gaussians.means, gaussians.variances)))
    few = rows[:100].astype(np.float32)
    wanted = fisher_vector(rows[:100], gaussians.posteriors(rows[:100]), gaussians)
    np.testing.assert_allclose(fisher_vector(few, small.posteriors(few), small), wanted, rtol=0, atol=2e-5)


def test_a_plan_learns_its_coder(rows):
    coder = FisherPlan(dims=3, gaussians=2, rounds=3, cells=CELLS).learn(rows.astype(np.float32), 0)
    assert coder.length == 8 * 2 * 2 * 3
    assert coder(rows[:5].astype(np.float32), np.zeros((5, 2), np.float32)).dtype == np.float32
