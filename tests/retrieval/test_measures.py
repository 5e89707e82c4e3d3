"""The measures against loops from their definitions."""

import numpy as np
import pytest

from alexnet.retrieval import measures
from alexnet.retrieval.measures import average_precision, quality


def test_average_precision_is_the_mean_of_the_precisions_at_the_relevant():
    relevant = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]], bool)
    np.testing.assert_allclose(average_precision(relevant), [(1 + 2 / 3) / 2, 0, 1 / 4, 1])


def test_quality_is_that_of_the_definitions(monkeypatch):
    monkeypatch.setattr(measures, "RECALLED", (3, 10, 1000))
    monkeypatch.setattr(measures, "PRECISE", (1, 4, 100))
    random = np.random.default_rng(0)
    rankings = np.array([random.permutation(30) for _ in range(12)])
    true = np.array([random.choice(30, 5, replace=False) for _ in range(12)])
    labels, query_labels = random.integers(0, 3, 30).astype(np.int32), random.integers(0, 3, 12).astype(np.int32)
    found = quality([rankings[:7], rankings[7:]], true, labels, query_labels)
    recall, precision, averages = {3: 0.0, 10: 0.0}, {1: 0.0, 4: 0.0}, []
    for ranking, near, label in zip(rankings, true, query_labels, strict=True):
        for depth in recall:
            recall[depth] += len(set(ranking[:depth]) & set(near)) / 5 / 12
        for depth in precision:
            precision[depth] += sum(labels[row] == label for row in ranking[:depth]) / depth / 12
        hits, at_hits = 0, []
        for place, row in enumerate(ranking, 1):
            if labels[row] == label:
                hits += 1
                at_hits.append(hits / place)
        averages.append(np.mean(at_hits))
    assert found.recall == pytest.approx(recall)
    assert found.precision == pytest.approx(precision)
    assert found.mean_average_precision == pytest.approx(np.mean(averages))
