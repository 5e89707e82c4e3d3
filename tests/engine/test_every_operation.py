"""What holds for every operation: memory may lie anywhere, an image's faults stay its own, threads change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from calls import CALLS, OF_IMAGES, OVER_IMAGES, Call, Given, Misaligned
from comparison import F32, same_for_any_threads

ILL = 19  # the image that is given what is not a number: block 1, lane 3
SWALLOWED = {"relu_backward", "dropout", "max_pool_backward"}  # where a value may be dropped, and its NaN with it


class WithIll(Given):
    """One image of every input is `value`."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def maps(self, maps: int, height: int = 1, width: int = 1) -> F32:
        x = super().maps(maps, height, width)
        x[ILL // 16, ..., ILL % 16] = self.value
        return x


class Empty(Given):
    """No images at all."""

    def maps(self, maps: int, height: int = 1, width: int = 1) -> F32:
        return super().maps(maps, height, width)[:0]

    def out(self, maps: int, height: int = 1, width: int = 1) -> F32:
        return super().out(maps, height, width)[:0]


def named(calls: list[Call]) -> Any:
    return pytest.mark.parametrize("call", calls, ids=lambda call: call.__name__)


@named(CALLS)
def test_memory_may_be_misaligned(conv: Any, call: Call) -> None:
    aligned, misaligned = call(conv, Given()), call(conv, Misaligned())
    assert [each.tobytes() for each in aligned] == [each.tobytes() for each in misaligned]


@named(CALLS)
def test_same_for_any_threads(conv: Any, call: Call) -> None:
    same_for_any_threads(conv, lambda conv: call(conv, Given()))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30], ids=str)
@named(OF_IMAGES)
def test_an_image_keeps_its_faults_to_itself(conv: Any, call: Call, value: float) -> None:
    """What is not a number is seen in its own image, and changes no bit of the others."""
    for well, ill in zip(call(conv, Given()), call(conv, WithIll(value)), strict=True):
        if well.ndim == 1:  # losses
            own, others, wanted = ill[ILL], np.delete(ill, ILL), np.delete(well, ILL)
        else:
            own, others = ill[ILL // 16, ..., ILL % 16].copy(), ill.copy()
            others[ILL // 16, ..., ILL % 16] = well[ILL // 16, ..., ILL % 16]
            wanted = well
        assert others.tobytes() == wanted.tobytes()
        if np.isnan(value) and well.dtype != np.uint8 and call.__name__ not in SWALLOWED:
            assert np.isnan(own).any()


@named(OVER_IMAGES)
def test_sums_over_images_see_what_is_not_a_number(conv: Any, call: Call) -> None:
    for sums in call(conv, WithIll(np.nan)):
        assert np.isnan(sums).any()


@named(OF_IMAGES + OVER_IMAGES)
def test_no_images_are_refused(conv: Any, call: Call) -> None:
    with pytest.raises(ValueError, match=rf"^{call.__name__}: .*\(0, "):
        call(conv, Empty())
