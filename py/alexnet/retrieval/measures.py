"""How good a ranking is: of the true neighbours, and of images with the query's label."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ranking = NDArray[np.intp]  # (q, n): all rows' numbers, best first
RECALLED = (10, 100, 1000)
PRECISE = (1, 10, 100)


@dataclass(frozen=True)
class Quality:
    """Means over the queries: shares by depth, and the mean average precision by label."""

    recall: dict[int, float]
    precision: dict[int, float]
    mean_average_precision: float


def quality(
    rankings: Iterable[Ranking],
    true: NDArray[np.int64],
    labels: NDArray[np.int32],
    query_labels: NDArray[np.int32],
) -> Quality:
    """Of rankings of all rows, some queries at a time: recall of each query's `true` neighbours (q, 10), precision by
    the rows' `labels` (n) and the queries' (q). Depths beyond n are left out.
    """
    depths = [depth for depth in RECALLED if depth <= len(labels)]
    tops = [top for top in PRECISE if top <= len(labels)]
    recalls, precisions, averages = [], [], []
    at = 0
    for ranking in rankings:
        part = slice(at, at + len(ranking))
        recalls.append(_recall(ranking, true[part], depths))
        relevant = labels[ranking] == query_labels[part, None]
        precisions.append(np.stack([relevant[:, :top].mean(axis=1) for top in tops], axis=1))
        averages.append(average_precision(relevant))
        at = part.stop
    return Quality(
        dict(zip(depths, map(float, np.concatenate(recalls).mean(axis=0)), strict=True)),
        dict(zip(tops, map(float, np.concatenate(precisions).mean(axis=0)), strict=True)),
        float(np.concatenate(averages).mean()),
    )


def average_precision(relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(q): the mean, over a ranking's relevant rows, of the precision at each; 0 where none is (relevant: (q, n))."""
    precision = np.cumsum(relevant, axis=1) / np.arange(1, relevant.shape[1] + 1)
    found: NDArray[np.float64] = (precision * relevant).sum(axis=1) / np.maximum(relevant.sum(axis=1), 1)
    return found


def _recall(ranking: Ranking, true: NDArray[np.int64], depths: Sequence[int]) -> NDArray[np.float64]:
    """(q, depths): the share of the true neighbours among the first so many."""
    places = np.empty_like(ranking)
    np.put_along_axis(places, ranking, np.arange(ranking.shape[1])[None], axis=1)
    reached = np.take_along_axis(places, true, axis=1)
    return np.stack([(reached < depth).mean(axis=1) for depth in depths], axis=1)
