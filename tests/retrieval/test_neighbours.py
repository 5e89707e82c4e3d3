"""The nearest rows against brute force in float64: made-up features, copies, near copies, blocks of all sizes."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from alexnet.errors import Failure
from alexnet.retrieval import features as files
from alexnet.retrieval import neighbours
from alexnet.retrieval.features import Features, Origin, write
from alexnet.retrieval.neighbours import nearest


def brute_force(rows: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    indices, distances = [], []
    for query in queries.astype(np.float64):
        squared = ((rows.astype(np.float64) - query) ** 2).sum(axis=1)
        order = sorted(range(len(rows)), key=lambda row: (squared[row], row))[:k]
        indices.append(order)
        distances.append(np.sqrt(squared[order]))
    return np.array(indices), np.array(distances)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Rows written to a file in blocks of so many, and that file."""

    def keep(rows: np.ndarray, block: int = 50) -> Features:
        monkeypatch.setattr(files, "BLOCK_BYTES", 2 * rows.shape[1] * block)
        labels = np.zeros(len(rows), np.int32)
        path = tmp_path / "f.h5"
        write(path, Origin("", "", "", ""), labels, rows.shape[1], lambda images: rows[images.start : images.stop])
        return Features(path)

    return keep


def made_up(count: int, width: int, seed: int = 0) -> np.ndarray:
    """As behind a ReLU: half of the values are 0; exact in float16."""
    rows = np.random.default_rng(seed).normal(0, 10, (count, width)).clip(0)
    return rows.astype(np.float16).astype(np.float32)


def agree(features: Features, rows: np.ndarray, queries: np.ndarray, k: int) -> None:
    found = nearest(features, queries, k)
    indices, distances = brute_force(rows, queries, k)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)


@pytest.mark.parametrize("block", [1, 7, 50, 400])
@pytest.mark.parametrize("k", [1, 10, 333])
def test_the_nearest_are_those_of_brute_force(kept, monkeypatch, block, k):
    monkeypatch.setattr(neighbours, "TOGETHER", 4)
    rows = made_up(333, 20)
    agree(kept(rows, block), rows, made_up(9, 20, seed=1), k)


def test_copies_come_in_the_order_of_their_numbers(kept):
    rows = made_up(300, 16)
    rows[[280, 3, 150, 77]] = rows[200]
    agree(kept(rows), rows, rows[[200, 3, 5]], 6)


def test_more_copies_than_are_kept_are_searched_again(kept):
    """Among 200 of 300 rows that are one image, the first ten are wanted."""
    rows = made_up(300, 16)
    rows[100:] = rows[299]
    features = kept(rows)
    agree(features, rows, rows[[299, 7]], 10)


def test_what_cancels_in_single_precision_is_told_apart(kept):
    """Rows that differ in the 12th digit of their squared lengths, far from 0: |x|^2 - 2 q.x alone orders them at
    random."""
    random = np.random.default_rng(0)
    rows = np.repeat(random.normal(300, 1, (1, 64)), 500, axis=0).astype(np.float16).astype(np.float32)
    rows[np.arange(500), random.integers(0, 64, 500)] += random.choice([0.25, 0.5, 0.75], 500).astype(np.float32)
    queries = rows[:5] + random.normal(0, 0.01, (5, 64)).astype(np.float32)
    naive = (rows**2).sum(axis=1) - 2 * queries @ rows.T
    indices, _ = brute_force(rows, queries, 10)
    assert (np.argsort(naive, axis=1, kind="stable")[:, :10] != indices).any()
    agree(kept(rows), rows, queries, 10)


def test_copies_of_several_images_come_in_the_order_of_their_numbers(kept):
    """Sixty rows that are three images: a sort that is not stable would mix those that are equally far."""
    rows = made_up(300, 16)
    copies = np.random.default_rng(1).permutation(300)[:60]
    rows[copies] = rows[copies[np.arange(60) % 3]]
    agree(kept(rows), rows, rows[copies[:3]], 55)


def test_the_bound_is_that_of_the_longest_row_in_any_block(kept):
    """The same values in thirty orders: equally far from 0 in truth, not as float32 sums them up; then a short row."""
    random = np.random.default_rng(0)
    values = random.normal(0, 1000, 500).astype(np.float16).astype(np.float32)
    rows = np.concatenate([[random.permutation(values) for _ in range(30)], np.zeros((1, 500))]).astype(np.float32)
    squares = np.einsum("ij,ij->i", rows, rows)
    assert squares[:3].max() > np.sort(squares)[3]
    agree(kept(rows, 10), rows, np.zeros((1, 500), np.float32), 4)


@pytest.mark.parametrize(("row_scale", "query_scale"), [(1, 1), (1, 100), (100, 1)])
def test_rounding_stays_within_its_bound(row_scale, query_scale):
    """The worst of many products, over lengths from 3 to 5000 values, of queries near the rows or far from them."""
    random = np.random.default_rng(0)
    for width in (3, 64, 5000):
        rows = row_scale * random.normal(5, 1, (200, width)).astype(np.float16).astype(np.float32)
        queries = query_scale * random.normal(5, 1, (20, width)).astype(np.float32)
        values = np.einsum("ij,ij->i", rows, rows) - 2 * (queries @ rows.T)
        truth = (rows.astype(np.float64) ** 2).sum(axis=1) - 2 * queries.astype(np.float64) @ rows.T.astype(np.float64)
        largest = float(np.linalg.norm(rows, axis=1).max())
        errors = np.abs(values - truth).max(axis=1)
        assert (errors <= neighbours._rounding(queries, largest)).all()
        assert errors.max() > 0


def test_whatever_the_rounding_of_the_product_the_nearest_are_the_same(kept, monkeypatch):
    """A product made elsewhere, as wrong as it may be, in either direction: rows and many that are almost equal."""
    monkeypatch.setattr(neighbours, "TOGETHER", 2)
    random = np.random.default_rng(0)
    rows = made_up(300, 16)
    rows[::3] = (rows[0] + random.choice([0, 2**-4], (100, 16))).astype(np.float16)
    queries, given = rows[:5] + np.float32(1e-3), []
    length = float(np.linalg.norm(rows, axis=1).max())

    def product(some, block):
        given.append((len(some), len(block)))
        wrong = 0.49 * neighbours._rounding(some, length)[:, None] * random.choice([-1, 1], (len(some), len(block)))
        return some.astype(np.float64) @ block.T.astype(np.float64) + wrong

    found = nearest(kept(rows, 128), queries, 10, product=product)
    indices, distances = brute_force(rows, queries, 10)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
    assert given == [(count, block) for block in (128, 128, 44) for count in (2, 2, 1)]


def test_few_queries_are_multiplied_by_one_thread_and_many_by_all(kept, monkeypatch):
    monkeypatch.setattr(neighbours, "FEW", 3)
    features, seen = kept(made_up(30, 8)), []

    def threads(count: int) -> None:
        seen.append({each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"})

    with threadpool_limits(2, "blas"):
        nearest(features, made_up(2, 8), 3, threads)
        nearest(features, made_up(3, 8), 3, threads)
        threads(0)
    assert seen == [{1}, {2}, {2}]


def test_progress_tells_of_every_row(kept):
    told = []
    nearest(kept(made_up(120, 8)), made_up(1, 8), 3, told.append)
    assert sum(told) == 120


def test_wrong_queries_are_refused(kept):
    features = kept(made_up(30, 8))
    with pytest.raises(Failure, match="8 values a row"):
        nearest(features, made_up(2, 9), 3)
    with pytest.raises(Failure, match="ask for 1 to 30"):
        nearest(features, made_up(2, 8), 31)
    with pytest.raises(Failure, match="not finite"):
        nearest(features, np.full((1, 8), np.nan, np.float32), 3)
