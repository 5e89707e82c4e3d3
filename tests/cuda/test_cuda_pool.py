"""Max and average pooling against float64 loops; outputs are NaN before."""

import numpy as np
import pytest
import references
from cuda_bench import Bench

# images, maps, height, width, out height, out width, size, stride
CASES = [
    (1, 1, 1, 1, 1, 1, 1, 1),
    (3, 2, 13, 13, 6, 6, 3, 2),  # overlapping (paper, 3.4)
    (9, 3, 8, 8, 4, 4, 3, 2),  # the last window is clipped
    (8, 1, 7, 10, 3, 5, 2, 2),
    (5, 2, 9, 7, 3, 2, 4, 3),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_max_pool(bench: Bench, random: np.random.Generator, case: tuple[int, ...]) -> None:
    n, c, h, w, oh, ow, size, stride = case
    x = bench.rounded(random.integers(-3, 4, (n, c, h, w)).astype(np.float32))  # many ties
    dy = bench.values(random, n, c, oh, ow)
    y, dx = bench.empty(n, c, oh, ow), bench.empty(n, c, h, w)
    argmax = bench.engine.bytes_like(y)
    bench.ops.max_pool_forward(bench.maps(x), y, argmax, size=size, stride=stride)
    wanted, where = references.max_pool(x, dy.shape[2:], size, stride)
    assert np.array_equal(bench.plain(y, n), wanted)
    assert np.array_equal(bench.plain(argmax, n), where)
    bench.ops.max_pool_backward(bench.maps(dy), argmax, dx, size=size, stride=stride)
    bench.close(bench.plain(dx, n), references.max_pool_gradient(dy, where, x.shape[2:], size, stride))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_average_pool(bench: Bench, random: np.random.Generator, case: tuple[int, ...]) -> None:
    n, c, h, w, oh, ow, size, stride = case
    x, dy = bench.values(random, n, c, h, w), bench.values(random, n, c, oh, ow)
    y, dx = bench.empty(n, c, oh, ow), bench.empty(n, c, h, w)
    bench.ops.average_pool_forward(bench.maps(x), y, size=size, stride=stride)
    bench.close(bench.plain(y, n), references.average_pool(x, dy.shape[2:], size, stride))
    bench.ops.average_pool_backward(bench.maps(dy), dx, size=size, stride=stride)
    bench.close(bench.plain(dx, n), references.average_pool_gradient(dy, x.shape[2:], size, stride))


def test_a_nan_wins(bench: Bench) -> None:
    x = np.zeros((1, 1, 2, 2), np.float32)
    x[0, 0, 0, 1] = np.nan
    y = bench.empty(1, 1, 1, 1)
    bench.ops.max_pool_forward(bench.maps(x), y, bench.engine.bytes_like(y), size=2, stride=2)
    assert np.isnan(bench.plain(y, 1)).all()
