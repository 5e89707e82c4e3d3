"""Where a curve falls to 25 %, and which rate is the fastest."""

import pytest

from alexnet.experiments.curves import Curve, fastest


def test_the_crossing_lies_on_the_line_between_two_measurements():
    curve = Curve([1.0, 2.0, 3.0, 4.0], [0.6, 0.4, 0.2, 0.3])
    assert curve.crossing() == pytest.approx(2.75)
    assert curve.crossing(0.4) == 2.0
    assert curve.crossing(0.7) == 1.0


def test_a_curve_that_stays_above_has_no_crossing():
    assert Curve([1.0, 2.0], [0.9, 0.26]).crossing() is None


def test_the_fastest_rate_gets_there_first_or_ends_lowest():
    slow, fast = Curve([1, 2, 3], [0.8, 0.4, 0.1]), Curve([1, 2, 3], [0.5, 0.2, 0.2])
    assert fastest({0.1: slow, 0.2: fast}) == 0.2
    never, nearly = Curve([1, 2], [0.8, 0.5]), Curve([1, 2], [0.9, 0.4])
    assert fastest({0.1: never, 0.2: nearly}) == 0.2
    assert fastest({0.1: nearly, 0.2: slow}) == 0.2
