"""The nearest rows by Euclidean distance, exactly, over a whole file of features by blocks (paper, 6.1 and Fig. 4).

Distances to a block of rows are |x|^2 - 2 q.x by one product in float32, from which each query keeps the best few. The
product may be made on another device; its rounding is bounded, so that all rows that may be among the nearest are
known: those are compared again by the sum of squared differences in float64. Where more may be than were kept, as among
many copies of one image, a second pass over the file compares them all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from alexnet.errors import Failure
from alexnet.retrieval.features import Features, Floats, singles

KEPT = 32  # rows a query keeps above those asked for
TOGETHER = 2048  # queries whose distances to a block are in memory at once
FEW = 128  # queries below which a product is so short that its threads would mostly wait for each other
UNIT = 2.0**-24  # the rounding of one operation in float32

Doubles = NDArray[np.float64]
# Of queries (q, width) and rows (n, width): their products (q, n), summed in float32 in whatever order.
Product = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True)
class Neighbours:
    """Of each query the nearest rows (q, k), nearest first, of equal ones the lower number; their distances (q, k)."""

    indices: NDArray[np.int64]
    distances: Doubles


def on_cpu(queries: Floats, rows: Floats) -> Floats:
    """Their products."""
    products: Floats = queries @ rows.T
    return products


def nearest(
    features: Features,
    queries: Floats,
    k: int,
    advance: Callable[[int], None] = lambda count: None,
    product: Product = on_cpu,
) -> Neighbours:
    """The `k` rows nearest to each query (q, width), as sums of squared differences in float64 order them.

    In memory are the queries, the numbers of `k` + 32 rows for each, and a block; `advance` hears of each block's
    rows; `product` is given a block and 2,048 queries at most. Raises Failure where the queries are of another width or
    not finite, or there are fewer rows than `k`.
    """
    queries = np.ascontiguousarray(queries, np.float32)
    _check(features, queries, k)
    with threadpool_limits(1 if len(queries) < FEW else None, "blas"):
        return _nearest(features, queries, k, advance, product)


def _nearest(
    features: Features, queries: Floats, k: int, advance: Callable[[int], None], product: Product
) -> Neighbours:
    best = _Best(len(queries), min(k + KEPT, features.count))
    largest = 0.0
    for start, block, squares in _blocks(features):
        largest = max(largest, float(np.sqrt(np.max(squares))))
        for at in range(0, len(queries), TOGETHER):
            part = slice(at, at + TOGETHER)
            best.add(part, squares - 2 * product(queries[part], block), start)
        advance(len(block))
    limits = best.limits(k) + 2 * _rounding(queries, largest)
    found = Neighbours(np.empty((len(queries), k), np.int64), np.empty((len(queries), k)))
    undecided = []
    for number, query in enumerate(queries):
        within = best.values[number] <= limits[number]
        if within.all() and len(within) < features.count:
            undecided.append(number)
        else:
            rows = np.sort(best.rows[number][within])
            _keep(found, number, rows, _squared(features.rows(rows), query))
    _search(features, queries, np.array(undecided, np.intp), limits, found)
    return found


def _check(features: Features, queries: Floats, k: int) -> None:
    if queries.ndim != 2 or queries.shape[1] != features.width:
        raise Failure(
            f"{features.path} has {features.width} values a row, the queries {queries.shape[1:]}: name others"
        )
    if not np.isfinite(queries).all():
        raise Failure("a query is not finite: take another checkpoint for the queries' features")
    if not 1 <= k <= features.count:
        raise Failure(f"{features.path} has {features.count} rows: ask for 1 to {features.count} neighbours, not {k}")


def _blocks(features: Features) -> Iterator[tuple[int, Floats, Floats]]:
    """Each block's first row, its rows in float32, and their squared lengths."""
    for start, halves in features.blocks():
        block = singles(halves)
        yield start, block, np.einsum("ij,ij->i", block, block)


class _Best:
    """The rows with the smallest values so far, of each query: `values` and `rows` (q, kept), in no order."""

    def __init__(self, queries: int, kept: int) -> None:
        self.values = np.full((queries, kept), np.inf, np.float32)
        self.rows = np.full((queries, kept), -1, np.int64)

    def add(self, part: slice, values: Floats, start: int) -> None:
        """Take in the values (queries of the part, n) of rows from `start` on."""
        kept = self.values.shape[1]
        both = np.concatenate([self.values[part], values], axis=1)
        chosen = np.argpartition(both, kept - 1, axis=1)[:, :kept]
        held = np.take_along_axis(self.rows[part], np.minimum(chosen, kept - 1), axis=1)
        self.rows[part] = np.where(chosen < kept, held, chosen - kept + start)
        self.values[part] = np.take_along_axis(both, chosen, axis=1)

    def limits(self, k: int) -> Doubles:
        """Each query's k-th smallest value (q)."""
        return np.partition(self.values, k - 1, axis=1)[:, k - 1].astype(np.float64)


def _rounding(queries: Floats, largest: float) -> Doubles:
    """How far |x|^2 - 2 q.x in float32 may be from the truth, in whatever order it was summed (Higham 2002, 3.1)."""
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    errors: Doubles = 1.01 * (queries.shape[1] + 4) * UNIT * (largest + lengths) ** 2
    return errors


def _squared(rows: NDArray[Any], query: Floats) -> Doubles:
    """Sums of squared differences (n)."""
    distances: Doubles = ((rows.astype(np.float64) - query.astype(np.float64)) ** 2).sum(axis=1)
    return distances


def _keep(found: Neighbours, number: int, rows: NDArray[np.int64], squared: Doubles) -> None:
    order = np.lexsort((rows, squared))[: found.indices.shape[1]]
    found.indices[number], found.distances[number] = rows[order], np.sqrt(squared[order])


def _search(features: Features, queries: Floats, numbers: NDArray[np.intp], limits: Doubles, found: Neighbours) -> None:
    """One more pass for some queries: the nearest of all rows whose values are within the limit."""
    if not len(numbers):
        return
    k = found.indices.shape[1]
    squared = np.full((len(numbers), k), np.inf)
    rows = np.full((len(numbers), k), features.count)
    for start, block, squares in _blocks(features):
        values = squares - 2 * (queries[numbers] @ block.T)
        for place, number in enumerate(numbers):
            near = np.flatnonzero(values[place] <= limits[number])
            both = np.concatenate([squared[place], _squared(block[near], queries[number])])
            names = np.concatenate([rows[place], near + start])
            order = np.lexsort((names, both))[:k]
            squared[place], rows[place] = both[order], names[order]
    for place, number in enumerate(numbers):
        _keep(found, int(number), rows[place], squared[place])
