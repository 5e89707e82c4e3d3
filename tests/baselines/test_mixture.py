"""The mixture against scikit-learn's, from the same start."""

import warnings

import numpy as np
import sklearn.mixture

from alexnet.baselines import kmeans, mixture
from alexnet.baselines.mixture import Mixture


def theirs(start: Mixture, rounds: int, rows: np.ndarray) -> sklearn.mixture.GaussianMixture:
    model = sklearn.mixture.GaussianMixture(
        len(start.weights),
        covariance_type="diag",
        tol=0,
        reg_covar=mixture.FLOOR,
        max_iter=rounds,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=1 / start.variances,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged: it was not to
        return model.fit(rows)


def clusters() -> np.ndarray:
    random = np.random.default_rng(0)
    return np.concatenate([random.normal(place, 0.5 + place / 5, (200, 5)) for place in range(4)])


def test_rounds_of_em_are_scikit_learns(monkeypatch):
    monkeypatch.setattr(kmeans, "BLOCK", 150)
    rows = clusters()
    start = Mixture(np.array([0.2, 0.3, 0.5]), rows[[1, 300, 700]], np.array([[1.0] * 5, [0.5] * 5, [2.0] * 5]))
    ours, model = mixture.improved(rows, start, 6), theirs(start, 6, rows)
    np.testing.assert_allclose(ours.weights, model.weights_, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.means, model.means_, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.variances, model.covariances_, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.posteriors(rows), model.predict_proba(rows), rtol=0, atol=1e-9)


def test_a_fit_raises_the_likelihood_and_finds_the_clusters():
    rows = clusters()
    found = mixture.fit(rows, 4, 0, 50)
    assert sorted(found.means.mean(axis=1).round().tolist()) == [0, 1, 2, 3]
    np.testing.assert_allclose(found.weights.sum(), 1)


def test_a_gaussian_that_no_row_reaches_stays_finite():
    rows = np.random.default_rng(3).normal(size=(50, 2))
    start = Mixture(np.array([0.5, 0.5]), np.array([[0.0, 0.0], [1e3, 1e3]]), np.ones((2, 2)))
    found = mixture.improved(rows, start, 3)
    assert np.isfinite(found.means).all() and np.isfinite(found.posteriors(rows)).all()
