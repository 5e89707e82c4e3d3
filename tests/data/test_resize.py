"""The paper's rule (section 2): the shorter side becomes S, the centre S x S is cut out."""

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from samples import encoded, photo

from alexnet.data.decode import square


def cubic(x: float) -> float:
    """Keys' kernel with a = -1/2."""
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def weights(length: int, shorter: int, size: int) -> NDArray[np.float64]:
    """Row j: how much each source pixel gives to output pixel j; the kernel widens when shrinking."""
    matrix = np.zeros((size, length))
    stretch = max(shorter / size, 1.0)
    for j in range(size):
        centre = (length - shorter) / 2 + (j + 0.5) * shorter / size
        row = [cubic((pixel + 0.5 - centre) / stretch) for pixel in range(length)]
        matrix[j] = np.array(row) / sum(row)
    return matrix


def whole(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.floor(values + 0.5).clip(0, 255)


SHAPES = [(40, 31), (31, 40), (57, 32), (33, 100), (64, 64), (65, 64), (28, 28), (5, 9), (9, 5), (1, 7), (32, 32)]


@pytest.mark.parametrize("width, height", SHAPES)
@pytest.mark.parametrize("size", [32, 17])
def test_square_follows_the_formula(width: int, height: int, size: int) -> None:
    pixels = photo(width, height, width * 100 + height)
    out = np.zeros((size, size, 3), np.uint8)
    square(pixels, out)
    shorter = min(width, height)
    across, down = weights(width, shorter, size), weights(height, shorter, size)
    across_first = whole(np.einsum("ih,hjc->ijc", down, whole(np.einsum("jw,hwc->hjc", across, pixels))))
    down_first = whole(np.einsum("jw,iwc->ijc", across, whole(np.einsum("ih,hwc->iwc", down, pixels))))
    differences = [np.abs(out - expected) for expected in (across_first, down_first)]
    assert max(difference.max() for difference in differences) <= 1
    assert min(difference.mean() for difference in differences) < 0.01, "in one order it is the same"


def test_cutting_alone_takes_the_exact_centre() -> None:
    pixels = photo(50, 32, 3)
    out = np.zeros((32, 32, 3), np.uint8)
    square(pixels, out)
    assert (out == pixels[:, 9:41]).all()
    square(pixels.transpose(1, 0, 2).copy(), out)
    assert (out == pixels[:, 9:41].transpose(1, 0, 2)).all()


def test_a_mirrored_image_gives_the_mirrored_square() -> None:
    for width, height in ((51, 32), (32, 77), (75, 40)):
        pixels = photo(width, height, 9)
        out, mirrored = np.zeros((2, 32, 32, 3), np.uint8)
        square(pixels, out)
        square(np.ascontiguousarray(pixels[:, ::-1]), mirrored)
        assert np.abs(out.astype(int) - mirrored[:, ::-1]).max() <= 1


def both(content: bytes, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The square of a JPEG file, and that of its pixels decoded in full."""
    out, full = np.zeros((2, size, size, 3), np.uint8)
    square(content, out)
    square(np.asarray(Image.open(BytesIO(content)).convert("RGB")), full)
    return out.astype(np.int64), full.astype(np.int64)


@pytest.mark.parametrize("width, height, size", [(254, 126, 32), (129, 512, 32), (126, 126, 32), (512, 255, 32)])
def test_a_jpeg_with_little_to_spare_is_decoded_in_full(width: int, height: int, size: int) -> None:
    """Sides below four times the size, or that do not divide."""
    out, full = both(encoded(photo(width, height, 1), "JPEG", quality=95), size)
    assert (out == full).all()


@pytest.mark.parametrize("width, height", [(256, 128), (132, 200), (640, 512), (1024, 768)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_large_jpeg_is_decoded_smaller_and_nearly_the_same(width: int, height: int, mode: str) -> None:
    """Noise of every frequency, harder than a photograph."""
    out, full = both(encoded(photo(width, height, 2), "JPEG", mode=mode, quality=95), 32)
    assert 0 < np.abs(out - full).mean() < 1.6
    assert np.abs(out - full).max() < 9


def test_scaled_decoding_moves_nothing() -> None:
    """A ramp would show a shift of a tenth of a pixel."""
    across, down = np.meshgrid(np.linspace(0, 255, 1024), np.linspace(0, 255, 768))
    ramp = np.stack([across, down, (across + down) / 2], axis=2).round().astype(np.uint8)
    out, full = both(encoded(ramp, "JPEG", quality=98, subsampling=0), 32)
    assert np.abs((out - full).mean(axis=(0, 1))).max() < 0.25
