"""Augmentation (section 4.1) against float64 loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import references
from comparison import close, poisoned_maps, same_for_any_threads, unpack


def problem(count: int, side: int, crop: int) -> dict[str, Any]:
    rng = np.random.default_rng(count + crop)
    return {
        "images": [rng.integers(256, size=(side, side, 3)).astype(np.uint8) for _ in range(count)],
        "mean": rng.uniform(100, 140, (side, side, 3)).astype(np.float32),
        "offsets": rng.integers(side - crop + 1, size=(count, 2)).astype(np.int32),
        "reflect": rng.integers(2, size=count).astype(np.uint8),
        "shift": rng.normal(0, 10, (count, 3)).astype(np.float32),
    }


def run(engine: Any, p: dict[str, Any], crop: int, divide: float) -> Any:
    out = poisoned_maps(len(p["images"]), 3, crop, crop)
    engine.augment(p["images"], p["mean"], out, p["offsets"], p["reflect"], p["shift"], divide=divide)
    return out


@pytest.mark.parametrize(("count", "side", "crop"), [(1, 1, 1), (1, 9, 7), (15, 6, 6), (17, 11, 5), (130, 4, 3)])
@pytest.mark.parametrize("divide", [1.0, 1.1])
@pytest.mark.parametrize("mean_of", ["images", "crops"])
def test_every_pixel(engine: Any, count: int, side: int, crop: int, divide: float, mean_of: str) -> None:
    p = problem(count, side, crop)
    if mean_of == "crops":
        p["mean"] = np.ascontiguousarray(p["mean"][:crop, :crop])
    p["offsets"][0] = side - crop  # the last place possible
    out = run(engine, p, crop, divide)
    expected = [
        references.augment(
            image, p["mean"].astype(np.float64), crop, tuple(p["offsets"][n]), bool(p["reflect"][n]), p["shift"][n],
            float(np.float32(divide)),
        )
        for n, image in enumerate(p["images"])
    ]  # fmt: skip
    close(unpack(out, count), np.array(expected))
    assert not unpack(out, 16 * len(out))[count:].any(), "lanes beyond the last image"


def test_mapped_shards_are_read_only(engine: Any) -> None:
    p = problem(3, 8, 6)
    for image in p["images"]:
        image.flags.writeable = False
    assert np.isfinite(run(engine, p, 6, 1.0)).all()


def test_same_for_any_threads(engine: Any) -> None:
    p = problem(33, 12, 9)
    same_for_any_threads(engine, lambda engine: [run(engine, p, 9, 1.1)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offsets": np.array([[0, 0], [3, 0]], np.int32)}, r"crop at \(3, 0\) of 6 pixels leaves the image of 8"),
        ({"offsets": np.array([[0, 0], [0, -1]], np.int32)}, r"crop at \(0, -1\)"),
        ({"offsets": np.zeros((3, 2), np.int32)}, "2 images, got 3"),
        ({"reflect": np.zeros(1, np.uint8)}, "2 images"),
        ({"shift": np.zeros((1, 3), np.float32)}, "2 images"),
        ({"images": [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 7, 3), np.uint8)]}, r"image 1 \(8, 7, 3\)"),
        ({"mean": np.zeros((8, 7, 3), np.float32)}, r"mean \(8, 7, 3\)"),
        ({"mean": np.zeros((7, 7, 3), np.float32)}, r"mean \(7, 7, 3\) .* images of 8 .* crops of 6"),
        ({"crop": 9}, r"out \(1, 3, 9, 9, 16\)"),
        ({"divide": 0.0}, "divide"),
    ],
)
def test_shapes_that_do_not_fit(engine: Any, change: dict[str, Any], message: str) -> None:
    p = problem(2, 8, 6) | change
    with pytest.raises(ValueError, match=f"^augment: .*{message}"):
        run(engine, p, p.get("crop", 6), p.get("divide", 1.0))


def test_batch_must_fit(engine: Any) -> None:
    p = problem(17, 8, 6)
    arrays = p["offsets"], p["reflect"], p["shift"]
    with pytest.raises(ValueError, match=r"^augment: 17 images do not fit out \(1, 3, 6, 6, 16\)"):
        engine.augment(p["images"], p["mean"], np.zeros((1, 3, 6, 6, 16), np.float32), *arrays, divide=1.0)
    out = np.full((4, 3, 6, 6, 16), np.nan, np.float32)
    engine.augment(p["images"], p["mean"], out, *arrays, divide=1.0)
    assert not unpack(out, 64)[17:].any(), "blocks beyond the last image"
