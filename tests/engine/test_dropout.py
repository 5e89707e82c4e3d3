"""Dropout (section 4.2): exactly the numbers that the counter-based draws say, and their statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparison import F32, pack, poisoned_maps, same_for_any_threads, unpack

DROPOUT = 4  # the purpose in Philox's key
PLACE = {"seed": 7, "step": 11, "layer": 0x9ABCDEF0, "first_unit": 0, "first_image": 0}


def kept(build: Any, images: int, units: int, rate: float, place: dict[str, int]) -> Any:
    """Which of (images, units) are kept, draw by draw from `philox`."""
    result = np.zeros((images, units), bool)
    for n in range(images):
        image = place["first_image"] + n
        counters = np.zeros((units, 4), np.uint32)
        counters[:, 0] = place["first_unit"] + np.arange(units)
        counters[:, 1:] = image // 4, place["step"], place["layer"]
        words = build.philox(counters, place["seed"], DROPOUT)[:, image % 4]
        result[n] = words >= rate * 2.0**32
    return result


def numbers(shape: tuple[int, ...]) -> F32:
    return np.random.default_rng(0).standard_normal(shape, np.float32) + 10


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (15, 17, 1, 1), (17, 3, 2, 5), (130, 33, 1, 1)], ids=str)
@pytest.mark.parametrize(
    "change", [{}, {"first_unit": 37}, {"first_image": 64}, {"first_image": 3, "step": 2**32 - 1}, {"seed": 2**32 - 1}]
)
@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_exactly_the_draws(
    build: Any, engine: Any, shape: tuple[int, ...], change: dict[str, int], rate: float
) -> None:
    x, y = numbers(shape), poisoned_maps(*shape)
    place = PLACE | change
    engine.dropout(pack(x), y, rate=rate, **place)
    mask = kept(build, shape[0], int(np.prod(shape[1:])), rate, place).reshape(shape)
    assert np.array_equal(unpack(y, len(x)), np.where(mask, x, 0))
    assert np.isfinite(y).all()


def test_processes_draw_the_same(engine: Any) -> None:
    """Units and images dropped in one process are dropped however the layer and the batch are split."""
    x = numbers((32, 24, 1, 1))
    whole, half = poisoned_maps(32, 24), poisoned_maps(16, 12)
    engine.dropout(pack(x), whole, rate=0.5, **PLACE)
    engine.dropout(pack(x[16:, 12:]), half, rate=0.5, **(PLACE | {"first_unit": 12, "first_image": 16}))
    assert np.array_equal(unpack(half, 16), unpack(whole, 32)[16:, 12:])


def test_statistics(engine: Any) -> None:
    """Rates within 5 deviations, over all, for each image, and for pairs of neighbours."""
    shape, rate = (256, 4096, 1, 1), 0.3
    x, y = np.ones(shape, np.float32), poisoned_maps(*shape)
    engine.dropout(pack(x), y, rate=rate, **PLACE)
    dropped = unpack(y, 256).reshape(256, 4096) == 0

    def near(sample: Any, expected: float) -> bool:
        return bool(abs(sample.mean() - expected) < 5 * np.sqrt(expected * (1 - expected) / sample.size))

    assert near(dropped, rate)
    assert all(near(image, rate) for image in dropped)
    assert near(dropped[1:] & dropped[:-1], rate**2)
    assert near(dropped[:, 1:] & dropped[:, :-1], rate**2)


def test_no_rate_and_full_rate(engine: Any) -> None:
    x, y = pack(numbers((17, 5, 1, 1))), poisoned_maps(17, 5)
    engine.dropout(x, y, rate=0.0, **PLACE)
    assert np.array_equal(x, y)
    engine.dropout(x, y, rate=1.0, **PLACE)
    assert not y.any()


def test_in_place(engine: Any) -> None:
    x, y = pack(numbers((17, 20, 1, 1))), poisoned_maps(17, 20)
    engine.dropout(x, y, rate=0.5, **PLACE)
    engine.dropout(x, x, rate=0.5, **PLACE)
    assert np.array_equal(x, y)


def test_same_for_any_threads(engine: Any) -> None:
    x = pack(numbers((33, 70, 1, 1)))

    def outputs(engine: Any) -> list[F32]:
        y = np.full_like(x, np.nan)
        engine.dropout(x, y, rate=0.5, **PLACE)
        return [y]

    same_for_any_threads(engine, outputs)


def test_shapes_that_do_not_fit(engine: Any) -> None:
    x = np.zeros((1, 4, 1, 1, 16), np.float32)
    with pytest.raises(ValueError, match=r"^dropout: y \(1, 2, 2, 1, 16\) is not like x \(1, 4, 1, 1, 16\)"):
        engine.dropout(x, np.zeros((1, 2, 2, 1, 16), np.float32), rate=0.5, **PLACE)
    for rate in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"^dropout: rate"):
            engine.dropout(x, x, rate=rate, **PLACE)
    for change in ({"first_unit": -1}, {"first_unit": 2**32 - 3}, {"first_image": -1}, {"first_image": 2**34 - 15}):
        with pytest.raises(ValueError, match=r"^dropout: first_unit"):
            engine.dropout(x, x, rate=0.5, **(PLACE | change))
