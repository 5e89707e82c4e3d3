"""Locality-constrained coding against the constrained least squares it stands for."""

import numpy as np

from alexnet.baselines.sparse import SparseCoder, SparsePlan, codes


def test_the_weights_are_those_of_the_nearest_five_by_the_formula():
    random = np.random.default_rng(0)
    rows, codebook = random.normal(size=(30, 7)), random.normal(size=(40, 7))
    words, weights = codes(rows, codebook)
    for row, chosen, weight in zip(rows, words, weights, strict=True):
        nearest = np.argsort(((codebook - row) ** 2).sum(axis=1))[:5]
        assert sorted(chosen) == sorted(nearest)
        away = codebook[chosen] - row
        covariance = away @ away.T
        covariance += 1e-4 * np.trace(covariance) * np.eye(5)
        wanted = np.linalg.inv(covariance) @ np.ones(5)
        np.testing.assert_allclose(weight, wanted / wanted.sum(), rtol=0, atol=1e-9)


def test_no_other_weights_of_sum_1_come_nearer():
    random = np.random.default_rng(1)
    row, codebook = random.normal(size=(1, 9)), random.normal(size=(12, 9))
    words, weights = codes(row, codebook)
    chosen = codebook[words[0]]
    ridge = 1e-4 * ((chosen - row) ** 2).sum()

    def cost(weight: np.ndarray) -> float:
        return float(((weight @ chosen - row) ** 2).sum() + ridge * (weight**2).sum())

    for _ in range(50):
        other = random.normal(0, 0.01, 5)
        assert cost(weights[0]) <= cost(weights[0] + other - other.mean())


def test_a_descriptor_that_is_a_codeword_is_coded_by_it():
    codebook = np.random.default_rng(2).normal(size=(20, 6)).astype(np.float32)
    words, weights = codes(codebook[3:4], codebook)
    assert weights[0][words[0] == 3] > 0.99


def test_codewords_that_are_all_the_descriptor_weigh_the_same():
    same = np.zeros((5, 4), np.float32)
    _, weights = codes(same[:1], same)
    np.testing.assert_allclose(weights, 0.2, rtol=1e-5)


def test_a_signature_holds_the_largest_weight_in_each_cell():
    random = np.random.default_rng(3)
    rows, codebook = random.normal(size=(50, 4)), random.normal(size=(8, 4))
    places = random.uniform(0, 1, (50, 2))
    coder = SparseCoder(codebook, ((1, 1), (2, 2)))
    signature = coder(rows, places)
    words, weights = codes(rows, codebook)
    wanted = np.zeros((5, 8))
    for (y, x), chosen, weight in zip(places, words, weights, strict=True):
        for cell in (0, 1 + 2 * int(2 * y) + int(2 * x)):
            for word, share in zip(chosen, weight, strict=True):
                wanted[cell, word] = max(wanted[cell, word], share)
    assert coder.length == wanted.size
    np.testing.assert_allclose(signature, wanted.ravel() / np.linalg.norm(wanted), rtol=0, atol=1e-6)


def test_a_plan_learns_its_coder():
    rows = np.random.default_rng(4).normal(size=(60, 4)).astype(np.float32)
    assert SparsePlan(codewords=10, rounds=2, cells=((1, 1),)).learn(rows, 0).length == 10
