"""Packed codes and Hamming distances against bits counted one by one."""

import numpy as np
import pytest

from alexnet.retrieval.packing import distances, nearest, pack, ranked, unpack


def made_up(count: int, bits: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, bits)) < 0.5


@pytest.mark.parametrize("bits", [1, 28, 63, 64, 65, 256])
def test_packing_can_be_undone(bits):
    codes = made_up(9, bits)
    words = pack(codes)
    assert words.dtype == np.uint64 and words.shape == (9, -(-bits // 64))
    assert (unpack(words, bits) == codes).all()


def test_the_first_bit_is_the_lowest():
    assert pack(np.eye(70, dtype=bool))[[0, 5, 64]].tolist() == [[1, 0], [32, 0], [0, 1]]


@pytest.mark.parametrize("bits", [28, 128])
def test_distances_count_the_bits_that_differ(bits):
    codes, queries = made_up(40, bits), made_up(5, bits, 1)
    assert (distances(pack(codes), pack(queries)) == (codes[None] != queries[:, None]).sum(axis=2)).all()


def test_the_nearest_are_the_first_of_the_ranking_and_ties_go_by_number():
    codes, queries = pack(made_up(500, 6)), pack(made_up(70, 6, 1))  # many ties
    rankings = np.concatenate(list(ranked(codes, queries)))
    for query, ranking in zip(queries, rankings, strict=True):
        apart = distances(codes, query[None])[0]
        assert ranking.tolist() == sorted(range(500), key=lambda row, apart=apart: (apart[row], row))
        for k in (1, 17, 500):
            assert nearest(codes, query, k).tolist() == ranking[:k].tolist()
