"""Philox 4x32-10 against the vectors its authors published, and the normal numbers made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import references

PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
KNOWN = [  # Random123's kat_vectors: counter, key, draws
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (PI, (0xA4093822, 0x299F31D0), (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


@pytest.mark.parametrize(("counter", "key", "draws"), KNOWN)
def test_known_answers(build: Any, counter: Any, key: Any, draws: Any) -> None:
    assert references.philox(counter, key) == draws
    assert tuple(build.philox(np.array([counter], np.uint32), *key)[0]) == draws


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 130])
def test_many_counters(build: Any, count: int) -> None:
    counters = np.random.default_rng(count).integers(2**32, size=(count, 4)).astype(np.uint32)
    draws = build.philox(counters, 123, 3)
    assert draws.shape == (count, 4) and draws.dtype == np.uint32
    for counter, four in zip(counters.tolist(), draws.tolist(), strict=True):
        assert references.philox(tuple(counter), (123, 3)) == tuple(four)


@pytest.mark.parametrize(("first", "count"), [(0, 1), (0, 130), (3, 17), (6, 1), (2**33 + 1, 9), (5, 0)])
def test_normals(build: Any, first: int, count: int) -> None:
    got = build.normals(seed=9, purpose=1, layer=77, first=first, count=count, threads=2)
    expected = [references.normal(first + i, 9, 1, 77) for i in range(count)]
    assert got.shape == (count,) and got.dtype == np.float32
    assert np.allclose(got, expected, rtol=1e-6, atol=1e-7)


def test_normals_are_normal(build: Any) -> None:
    """Moments of a million, within 5 deviations of the sample's own error."""
    draws = build.normals(seed=1, purpose=1, layer=2, first=0, count=1_000_000, threads=2).astype(np.float64)
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((draws**power).mean() - moment) < 5 * np.sqrt(variance / draws.size)


def test_same_for_any_threads(build: Any) -> None:
    drawn = [build.normals(seed=1, purpose=1, layer=2, first=3, count=9999, threads=threads) for threads in (1, 2, 5)]
    assert drawn[0].tobytes() == drawn[1].tobytes() == drawn[2].tobytes()


def test_ranges(build: Any) -> None:
    for first, count in ((-1, 4), (0, -1), (2**34 - 3, 4)):
        with pytest.raises(ValueError, match=r"^normals: "):
            build.normals(seed=1, purpose=1, layer=2, first=first, count=count, threads=1)
    with pytest.raises(ValueError, match=r"^normals: needs at least one thread, got 0"):
        build.normals(seed=1, purpose=1, layer=2, first=0, count=4, threads=0)
