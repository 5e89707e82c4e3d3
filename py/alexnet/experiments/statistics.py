"""What a few runs allow to be said: intervals at 95 %, and the verdict beside the paper's number."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
Verdict = Literal["reproduced", "same direction", "not reproduced", "other data or scale", "not run"]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval from `n` seeds; `low` and `high` are NaN where the runs allow none.

    `none` is the value at which there would be no effect: 0 of a difference, 1 of a ratio; NaN of a plain level, of
    which `less` tells that a smaller one is the better.
    """

    value: float
    low: float
    high: float
    n: int
    none: float = math.nan
    less: bool = True
    note: str = ""


def share(wrong: int, count: int) -> tuple[float, float, float]:
    """A share of `count` images, with its binomial interval (Wilson)."""
    from scipy.stats import binomtest

    interval = binomtest(wrong, count).proportion_ci(CONFIDENCE, method="wilson")
    return wrong / count, float(interval.low), float(interval.high)


def mean(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float, float]:
    """The mean and its interval by Student's t: mean -+ t(n - 1) s / sqrt(n).

    Of one value there is none, nor of equal ones: a few shares of so many images agree by chance.
    """
    from scipy.stats import t

    numbers = np.asarray(values, np.float64)
    middle = float(numbers.mean())
    if math.isclose(numbers.min(), numbers.max(), abs_tol=1e-12):
        return middle, math.nan, math.nan
    reach = float(t.ppf(0.5 + CONFIDENCE / 2, len(numbers) - 1) * numbers.std(ddof=1) / math.sqrt(len(numbers)))
    return middle, middle - reach, middle + reach


def level(wrong: Sequence[NDArray[np.bool_]]) -> Estimate:
    """An error rate from each seed's misses by image: binomial of one run, by t over several runs."""
    if len(wrong) == 1:
        return Estimate(*share(int(wrong[0].sum()), len(wrong[0])), 1)
    middle, low, high = mean([float(each.mean()) for each in wrong])
    return Estimate(middle, max(low, 0.0), min(high, 1.0), len(wrong))


def difference(more: Sequence[NDArray[np.bool_]], less: Sequence[NDArray[np.bool_]]) -> Estimate:
    """How much greater the first error rate is, paired by seed; a single pair is paired by image."""
    return paired([one.astype(np.float64) - other for one, other in zip(more, less, strict=False)])


def paired(differences: Sequence[NDArray[np.float64]]) -> Estimate:
    """The mean of each seed's differences by image: by t over the seeds, or over the images of a single one."""
    if len(differences) == 1:
        return Estimate(*mean(differences[0]), 1, none=0.0, note="interval over images")
    return Estimate(*mean([float(each.mean()) for each in differences]), len(differences), none=0.0)


def ratio(above: Sequence[float], below: Sequence[float]) -> Estimate:
    """How many times greater the first is, paired by seed: the interval is that of the mean logarithm."""
    logs = [math.log(one / other) for one, other in zip(above, below, strict=True)]
    middle, low, high = map(math.exp, mean(logs))
    return Estimate(middle, low, high, len(logs), none=1.0)


def verdict(found: Estimate | None, paper: float | None, comparable: bool, over: bool = False) -> Verdict:
    """What may be said of our number beside the paper's.

    An effect is there when its whole interval lies on the paper's side of none; with the paper's number inside, on the
    paper's own data and length, it is reproduced, and beyond that number where the paper says that it is `over` it. A
    level is only judged where it is comparable.
    """
    if found is None:
        return "not run"
    low, high, none = found.low, found.high, found.none
    if math.isnan(none):
        if not comparable or paper is None:
            return "other data or scale"
        low, high = (found.value, found.value) if math.isnan(low) else (low, high)
        better = high < paper if found.less else low > paper
        return "reproduced" if low <= paper <= high or better else "not reproduced"
    if low > none:
        held = comparable and paper is not None and (low <= paper or over) and paper <= high
        return "reproduced" if held else "same direction"
    return "not reproduced" if high < none or comparable else "other data or scale"
