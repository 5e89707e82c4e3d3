"""Augmentation in one pass from bytes, on a stream of its own."""

import numpy as np
import pytest
import references
from cuda_bench import Bench


@pytest.mark.parametrize(("images", "size", "crop"), [(1, 5, 5), (3, 40, 33), (35, 9, 4)])
@pytest.mark.parametrize("mean_of", ["images", "crops"])
def test_augment(bench: Bench, random: np.random.Generator, images: int, size: int, crop: int, mean_of: str) -> None:
    pixels = random.integers(0, 256, (images, size, size, 3)).astype(np.uint8)
    side = size if mean_of == "images" else crop
    mean = random.uniform(0, 255, (side, side, 3)).astype(np.float32)
    offsets = random.integers(0, size - crop + 1, (images, 2)).astype(np.int32)
    reflect = random.integers(0, 2, images).astype(np.uint8)
    shift = random.standard_normal((images, 3)).astype(np.float32) * 10
    out = bench.empty(images, 3, crop, crop)
    bench.ops.augment(list(pixels), bench.upload(mean), out, offsets, reflect, shift, divide=1.1)
    views = zip(pixels, offsets, reflect, shift, strict=True)
    wanted = [references.augment(image, mean, crop, *view, 1.1) for image, *view in views]
    bench.close(bench.plain(out, images), np.array(wanted))
    assert (bench.plain(out, out.shape[3])[images:] == 0).all()


def test_a_crop_beyond_the_image_is_an_error(bench: Bench) -> None:
    image, mean = np.zeros((6, 6, 3), np.uint8), bench.upload(np.zeros((6, 6, 3), np.float32))
    view = np.full((1, 2), 3, np.int32), np.zeros(1, np.uint8), np.zeros((1, 3), np.float32)
    with pytest.raises(ValueError, match="augment: a crop reaches beyond"):
        bench.ops.augment([image], mean, bench.empty(1, 3, 4, 4), *view, divide=1.0)
