"""Intervals against their formulas written out, and the verdicts."""

import math

import numpy as np
import pytest

from alexnet.experiments import statistics
from alexnet.experiments.statistics import Estimate, verdict

T = {
    1: 12.706204736432095,
    2: 4.302652729911275,
    4: 2.7764451051977987,
    999: 1.9623414611334487,
}  # Student's t, 97.5 %, by degrees of freedom: of a printed table
Z = 1.959963984540054


@pytest.mark.parametrize(("wrong", "count"), [(12, 100), (0, 50), (50, 50), (1200, 10_000)])
def test_a_single_run_has_wilsons_interval(wrong, count):
    p = wrong / count
    middle = (p + Z**2 / (2 * count)) / (1 + Z**2 / count)
    reach = Z / (1 + Z**2 / count) * math.sqrt(p * (1 - p) / count + Z**2 / (4 * count**2))
    assert statistics.share(wrong, count) == pytest.approx((p, max(0, middle - reach), min(1, middle + reach)))


def test_the_papers_own_example_of_a_single_runs_interval():
    _, low, high = statistics.share(1200, 10_000)
    assert (high - low) / 2 == pytest.approx(0.0064, abs=5e-5)


@pytest.mark.parametrize("values", [[0.2, 0.25], [0.2, 0.25, 0.21], [0.1, 0.2, 0.3, 0.4, 0.9]])
def test_several_runs_have_students_interval(values):
    n = len(values)
    middle = sum(values) / n
    deviation = math.sqrt(sum((each - middle) ** 2 for each in values) / (n - 1))
    reach = T[n - 1] * deviation / math.sqrt(n)
    assert statistics.mean(values) == pytest.approx((middle, middle - reach, middle + reach))


@pytest.mark.parametrize("values", [[0.2], [0.3, 0.1 + 0.2], [-1 / 120] * 3, [0.0, 0.0]])
def test_runs_that_agree_by_chance_have_no_interval(values):
    middle, low, high = statistics.mean(values)
    assert middle == pytest.approx(values[0]) and math.isnan(low) and math.isnan(high)


def test_an_effect_that_two_seeds_have_to_the_image_has_no_direction():
    found = statistics.difference(missed(0.31, 0.52), missed(0.30, 0.51))
    assert found.value == pytest.approx(0.01)
    assert verdict(found, 0.017, comparable=False) == "other data or scale"


def missed(*shares: float, images: int = 1000) -> list[np.ndarray]:
    return [np.arange(images) < share * images for share in shares]


def test_differences_are_paired_by_seed():
    """The seeds differ by far more than the nets do: only pairs show it."""
    found = statistics.difference(missed(0.31, 0.52, 0.73), missed(0.30, 0.50, 0.70))
    assert (found.value, found.n, found.none) == (pytest.approx(0.02), 3, 0.0)
    assert found.low == pytest.approx(0.02 - T[2] * 0.01 / math.sqrt(3))
    assert found.high - found.value == pytest.approx(found.value - found.low)


def test_a_single_pair_is_paired_by_image():
    one, other = missed(0.30)[0], missed(0.28)[0]
    found = statistics.difference([one], [other])
    assert found.n == 1 and found.value == pytest.approx(0.02)
    assert (found.high - found.low) / 2 == pytest.approx(T[999] * math.sqrt(0.02 * 0.98 / 999))


def test_a_seed_that_only_one_of_them_has_makes_no_pair():
    assert statistics.difference(missed(0.4, 0.4, 0.9), missed(0.3, 0.3)).value == pytest.approx(0.1)


def test_an_error_rates_interval_stays_between_none_and_all():
    found = statistics.level(missed(0.0, 0.9))
    assert (found.value, found.low, found.high) == (pytest.approx(0.45), 0.0, 1.0)


def test_a_ratio_is_taken_by_its_logarithms():
    found = statistics.ratio([6.0, 24.0, 12.0], [1.0, 4.0, 4.0])
    logs = [math.log(6), math.log(6), math.log(3)]
    middle = sum(logs) / 3
    deviation = math.sqrt(sum((each - middle) ** 2 for each in logs) / 2)
    assert found.value == pytest.approx(math.exp(middle))
    assert found.high == pytest.approx(math.exp(middle + T[2] * deviation / math.sqrt(3)))


def level(low: float, high: float, *, less: bool = True) -> Estimate:
    return Estimate((low + high) / 2, low, high, 3, less=less)


def effect(low: float, high: float, none: float = 0.0) -> Estimate:
    return Estimate((low + high) / 2, low, high, 3, none=none)


@pytest.mark.parametrize(
    ("found", "paper", "comparable", "expected"),
    [
        (None, 1.0, True, "not run"),
        (level(0.36, 0.38), 0.375, True, "reproduced"),
        (level(0.30, 0.32), 0.375, True, "reproduced"),  # it errs less
        (level(0.40, 0.42), 0.375, True, "not reproduced"),
        (level(0.90, 0.92, less=False), 0.8, True, "reproduced"),
        (level(0.90, 0.92), 0.8, False, "other data or scale"),
        (level(0.36, 0.38), None, True, "other data or scale"),
        (effect(0.01, 0.02), 0.017, True, "reproduced"),
        (effect(0.01, 0.02), 0.017, False, "same direction"),
        (effect(0.01, 0.02), 0.03, True, "same direction"),
        (effect(-0.01, 0.02), 0.017, True, "not reproduced"),
        (effect(-0.01, 0.02), 0.017, False, "other data or scale"),
        (effect(-0.02, -0.01), 0.017, False, "not reproduced"),
        (effect(1.5, 7.0, none=1.0), 6.0, True, "reproduced"),
        (effect(0.5, 7.0, none=1.0), 6.0, True, "not reproduced"),
        (effect(0.018, 0.03), 0.017, True, "same direction"),
        (Estimate(5.0, math.nan, math.nan, 1, none=1.0), 6.0, False, "other data or scale"),
        (Estimate(5.0, math.nan, math.nan, 1, none=1.0), 6.0, True, "not reproduced"),
    ],
)
def test_verdicts(found, paper, comparable, expected):
    assert verdict(found, paper, comparable) == expected


@pytest.mark.parametrize(
    ("found", "comparable", "expected"),
    [
        (effect(0.012, 0.03), True, "reproduced"),
        (effect(0.005, 0.02), True, "reproduced"),
        (effect(0.005, 0.009), True, "same direction"),
        (effect(0.012, 0.03), False, "same direction"),
        (effect(-0.01, 0.03), True, "not reproduced"),
    ],
)
def test_of_more_than_a_number_more_is_as_good(found, comparable, expected):
    assert verdict(found, 0.01, comparable, over=True) == expected
