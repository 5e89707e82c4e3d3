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


@pytest.mark.parametrize("n", [3, 5])
def test_the_slope_before_a_relu_that_is_below(bench: Bench, random: np.random.Generator, n: int) -> None:
    settings = {"n": n, "groups": 2, **STRENGTHS[1]}
    x, dy = (bench.maps(bench.values(random, 3, 12, 2, 3)) for _ in range(2))
    bench.ops.relu_forward(x, x)
    apart, together = bench.empty(3, 12, 2, 3), bench.empty(3, 12, 2, 3)
    bench.ops.lrn_backward(x, dy, apart, **settings)
    bench.ops.relu_backward(x, apart, apart)
    bench.ops.lrn_backward(x, dy, together, relu=True, **settings)
    assert np.array_equal(bench.plain(together, 3), bench.plain(apart, 3))


@pytest.mark.parametrize("n", [3, 5])
def test_squares_beyond_all_numbers(bench: Bench, n: int) -> None:
    """Where x^2 is infinite, response and slope are as small as they should be, and not what is not a number."""
    x = bench.maps(np.full((8, 6, 3, 3), 3e19, np.float32))
    for kind, more in (("lrn", {"groups": 1}), ("lrn_spatial", {})):
        y, dx = bench.empty(8, 6, 3, 3), bench.empty(8, 6, 3, 3)
        getattr(bench.ops, f"{kind}_forward")(x, y, n=n, **STRENGTHS[0], **more)
        getattr(bench.ops, f"{kind}_backward")(
            x, bench.maps(np.ones((8, 6, 3, 3), np.float32)), dx, n=n, **STRENGTHS[0], **more
        )
        assert (np.abs([bench.plain(each, 8) for each in (y, dx)]) <= 1e-6).all()


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
