"""Response normalisation, across maps and within them, against float64 loops; outputs are NaN before."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import references
from cuda_bench import Bench

# images, maps, height, width, n, groups
CASES = [(1, 1, 1, 1, 5, 1), (3, 7, 2, 3, 5, 1), (9, 12, 3, 1, 5, 2), (2, 6, 4, 4, 3, 3), (1, 10, 1, 2, 9, 1)]
STRENGTHS = [{"k": 2.0, "alpha": 1e-4, "beta": 0.75}, {"k": 1.0, "alpha": 0.5, "beta": 0.6}]


def terms(direct: Any, difference: Any) -> Any:
    """The size of a gradient's two terms together, from the first and from the difference of their sizes."""
    return 2 * np.abs(direct) - difference


@pytest.mark.parametrize("strength", STRENGTHS, ids=["paper", "strong"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_lrn(bench: Bench, random: np.random.Generator, case: tuple[int, ...], strength: dict[str, float]) -> None:
    images, maps, height, width, n, groups = case
    x, dy = (3 * bench.values(random, images, maps, height, width) for _ in range(2))
    x, dy = bench.rounded(x), bench.rounded(dy)
    y, dx = bench.empty(*x.shape), bench.empty(*x.shape)
    bench.ops.lrn_forward(bench.maps(x), y, n=n, groups=groups, **strength)
    wanted = references.lrn(x, n, *strength.values(), groups)
    bench.close(bench.plain(y, images), wanted, np.abs(wanted))
    bench.ops.lrn_backward(bench.maps(x), bench.maps(dy), dx, n=n, groups=groups, **strength)
    gradient = partial(references.lrn_gradient, n=n, groups=groups, **strength)
    bench.close(bench.plain(dx, images), gradient(x, dy), terms(wanted * dy / x, gradient(abs(x), abs(dy))))


@pytest.mark.parametrize("strength", STRENGTHS, ids=["weak", "strong"])
@pytest.mark.parametrize("case", [(1, 1, 1, 1, 5), (3, 2, 7, 6, 5), (9, 1, 4, 9, 3)], ids=str)
def test_lrn_spatial(
    bench: Bench, random: np.random.Generator, case: tuple[int, ...], strength: dict[str, float]
) -> None:
    images, maps, height, width, n = case
    x, dy = bench.values(random, images, maps, height, width), bench.values(random, images, maps, height, width)
    y, dx = bench.empty(*x.shape), bench.empty(*x.shape)
    bench.ops.lrn_spatial_forward(bench.maps(x), y, n=n, **strength)
    wanted = references.lrn_spatial(x, n, *strength.values())
    bench.close(bench.plain(y, images), wanted, np.abs(wanted))
    bench.ops.lrn_spatial_backward(bench.maps(x), bench.maps(dy), dx, n=n, **strength)
    gradient = partial(references.lrn_spatial_gradient, n=n, **strength)
    bench.close(bench.plain(dx, images), gradient(x, dy), terms(wanted * dy / x, gradient(abs(x), abs(dy))))
