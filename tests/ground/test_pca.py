"""Principal components against scikit-learn's."""

import numpy as np
import sklearn.decomposition

from alexnet import pca


def test_components_are_scikit_learns_up_to_their_sign(monkeypatch):
    random = np.random.default_rng(0)
    rows = random.normal(3, 1, (500, 12)) @ random.normal(size=(12, 12))
    monkeypatch.setattr(pca, "BLOCK", 64)
    ours, theirs = pca.fit(rows, 5), sklearn.decomposition.PCA(5, svd_solver="full").fit(rows)
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-12)
    signs = np.sign((ours.axes * theirs.components_.T).sum(axis=0))
    np.testing.assert_allclose(ours.axes, theirs.components_.T * signs, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours(rows), theirs.transform(rows) * signs, rtol=0, atol=1e-8)


def test_single_precision_rows_give_single_precision_axes():
    rows = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    assert pca.fit(rows, 2)(rows).dtype == np.float32
