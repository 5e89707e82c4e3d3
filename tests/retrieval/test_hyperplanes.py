"""The three kinds of hyperplanes: through the mean, along the axes, and turned so that signs tell more."""

import numpy as np
import pytest
import scipy.linalg
import sklearn.decomposition

from alexnet import pca
from alexnet.retrieval import hyperplanes


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    random = np.random.default_rng(0)
    centres = random.normal(0, 3, (8, 20))
    return (centres[random.integers(0, 8, 600)] + random.normal(size=(600, 20)) + 5).astype(np.float32)


def test_random_planes_cut_in_the_proportion_of_the_angle(rows):
    """The share of planes between two rows is the angle between them, about the mean, over pi (Charikar 2002)."""
    bits = hyperplanes.random(rows, 20_000, 0)(rows[:2])
    about = rows[:2] - rows.mean(axis=0)
    angle = np.arccos(about[0] @ about[1] / np.linalg.norm(about, axis=1).prod())
    assert (bits[0] != bits[1]).mean() == pytest.approx(angle / np.pi, abs=0.015)  # four deviations


def test_principal_bits_are_the_signs_of_scikit_learns_components(rows):
    theirs = sklearn.decomposition.PCA(6, svd_solver="full").fit_transform(rows.astype(np.float64)) > 0
    ours = hyperplanes.principal(pca.fit(rows, 9), 6)(rows)
    for bit in range(6):  # a component's sign is no one's
        assert (ours[:, bit] == theirs[:, bit]).mean() in (0, 1)


def test_turning_brings_the_values_nearer_to_their_signs(rows):
    def lost(code: hyperplanes.Hyperplanes) -> float:
        values = (rows - code.mean) @ code.planes
        return float(((values - np.where(values > 0, 1, -1)) ** 2).sum())

    axes = pca.fit(rows, 9)
    principal, rotated = hyperplanes.principal(axes, 6), hyperplanes.rotated(rows, axes, 6, 0)
    turn = principal.planes.T @ rotated.planes
    np.testing.assert_allclose(turn @ turn.T, np.eye(6), rtol=0, atol=1e-5)
    assert lost(rotated) < lost(principal)


def test_turning_ends_where_the_signs_ask_for_no_other_turn(rows, monkeypatch):
    """SciPy's rotation that brings the values nearest to their own signs is the one that they have."""
    monkeypatch.setattr(hyperplanes, "ROUNDS", 300)
    axes = pca.fit(rows, 6)
    values, turned = axes(rows), hyperplanes.rotated(rows, axes, 6, 0)
    signs = np.where((rows - turned.mean) @ turned.planes > 0, 1.0, -1.0)
    best, _ = scipy.linalg.orthogonal_procrustes(values, signs)
    np.testing.assert_allclose(axes.axes @ best, turned.planes, rtol=0, atol=1e-6)


def test_a_seed_decides(rows):
    axes = pca.fit(rows, 5)
    for kind in (hyperplanes.random, lambda rows, bits, seed: hyperplanes.rotated(rows, axes, bits, seed)):
        assert (kind(rows, 5, 1).planes == kind(rows, 5, 1).planes).all()
        assert (kind(rows, 5, 1).planes != kind(rows, 5, 2).planes).any()
