"""K-means against scikit-learn's, and where no row is nearest to a centre."""

import numpy as np
import sklearn.cluster

from alexnet.baselines import kmeans


def test_the_rounds_are_scikit_learns(monkeypatch):
    monkeypatch.setattr(kmeans, "BLOCK", 100)
    rows = np.random.default_rng(0).normal(size=(700, 6))
    start = rows[:9]
    theirs = sklearn.cluster.KMeans(9, init=start, n_init=1, max_iter=7, tol=0, algorithm="lloyd").fit(rows)
    np.testing.assert_allclose(kmeans.lloyd(rows, start, 7), theirs.cluster_centers_, rtol=0, atol=1e-10)


def test_a_centre_without_rows_stays():
    rows = np.array([[0.0], [1.0], [10.0]])
    found = kmeans.lloyd(rows, np.array([[0.0], [100.0], [9.0], [200.0]]), 3)
    np.testing.assert_allclose(found.ravel(), [0.5, 100, 10, 200])


def test_a_seed_decides_the_start():
    rows = np.random.default_rng(2).normal(size=(100, 3))
    first = kmeans.kmeans(rows, 5, 1, 2)
    assert (kmeans.kmeans(rows, 5, 1, 2) == first).all()
    assert (kmeans.kmeans(rows, 5, 2, 2) != first).any()
