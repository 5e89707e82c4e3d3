"""What each form of image becomes. Where no resampling is needed the result is exact."""

import gzip
import io
import struct

import numpy as np
import pytest
from PIL import Image
from samples import Pixels, encoded, photo, png

from alexnet.data import decode
from alexnet.data.decode import PIXEL_LIMIT, Skip, square

SIDE = 24
RGB = photo(SIDE, SIDE, 1)
GREY = photo(SIDE, SIDE, 2, 1)[:, :, 0]


def result(content: bytes | Pixels, size: int = SIDE) -> Pixels:
    out = np.full((size, size, 3), 77, np.uint8)
    square(content, out)
    return out


def thrice(grey: Pixels) -> Pixels:
    return np.stack([grey] * 3, axis=-1)


def over_white(colour: Pixels, alpha: Pixels) -> Pixels:
    a = alpha.astype(float)[..., None] / 255
    return np.floor(colour * a + 255 * (1 - a) + 0.5).astype(np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        encoded(RGB, "PNG"),
        encoded(RGB, "BMP"),
        encoded(RGB, "WEBP", lossless=True, quality=0),
        encoded(RGB, "PNG", icc_profile=b"not a profile"),
        RGB,
    ],
    ids=["png", "bmp", "webp", "icc", "array"],
)
def test_rgb_stays(content: bytes | Pixels) -> None:
    assert (result(content) == RGB).all()


@pytest.mark.parametrize(
    "content",
    [encoded(GREY, "PNG"), encoded(GREY, "BMP"), GREY],
    ids=["png", "bmp", "array"],
)
def test_grey_is_put_into_all_three(content: bytes | Pixels) -> None:
    assert (result(content) == thrice(GREY)).all()


def test_jpeg_is_near_its_picture_and_exactly_what_the_decoder_says() -> None:
    smooth = np.tile(np.linspace(20, 220, SIDE).astype(np.uint8)[None, :, None], (SIDE, 1, 3))
    for options in ({}, {"progressive": True}):
        content = encoded(smooth, "JPEG", quality=100, subsampling=0, **options)
        assert np.abs(result(content).astype(int) - smooth).max() <= 3
        assert (result(content) == np.asarray(Image.open(io.BytesIO(content)))).all()
    grey = encoded(smooth[:, :, 0], "JPEG", quality=100)
    assert np.abs(result(grey).astype(int) - smooth).max() <= 3


def test_grey_resampled_alone_equals_grey_resampled_as_rgb() -> None:
    grey = photo(61, 47, 5, 1)[:, :, 0]
    assert (result(encoded(grey), 32) == result(encoded(thrice(grey)), 32)).all()


def flat_jpeg(values: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    Image.new("CMYK", (SIDE, SIDE), values).save(buffer, "JPEG", quality=100)
    return buffer.getvalue()


@pytest.mark.parametrize("ink", [(0, 0, 0, 0), (200, 30, 90, 60), (10, 250, 128, 0), (255, 255, 255, 255)])
def test_cmyk_is_ink_on_white(ink: tuple[int, int, int, int]) -> None:
    *cmy, k = ink
    expected = [(255 - c) * (255 - k) / 255 for c in cmy]
    assert np.abs(result(flat_jpeg(ink)) - np.array(expected)).max() <= 1.5


def test_ycck_is_ink_on_white() -> None:
    stored = (180, 100, 150, 200)  # Y, Cb, Cr of inverted CMY, and inverted K
    content = flat_jpeg(tuple(255 - value for value in stored))
    adobe = content.index(b"Adobe") + 11
    assert content[adobe] == 0, "plain CMYK"
    y, cb, cr, k = stored
    content = content[:adobe] + b"\x02" + content[adobe + 1 :]
    ink = np.array([y + 1.402 * (cr - 128), y - 0.344 * (cb - 128) - 0.714 * (cr - 128), y + 1.772 * (cb - 128)])
    assert np.abs(result(content) - (255 - ink) * k / 255).max() <= 2


@pytest.mark.parametrize("form", ["PNG", "BMP"])
def test_palette_shows_its_colours(form: str) -> None:
    image = Image.fromarray(RGB).quantize(16)
    buffer = io.BytesIO()
    image.save(buffer, form)
    table = np.array(image.getpalette()[:48], np.uint8).reshape(16, 3)
    assert (result(buffer.getvalue()) == table[np.asarray(image)]).all()


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_narrow_palettes_and_their_transparency(depth: int) -> None:
    colours = photo(2**depth, 1, 4)[0]
    places = np.arange(8 * 8).reshape(8, 8) * 7 % 2**depth
    bits = np.unpackbits(places.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :].reshape(8, -1)
    rows = [np.packbits(row).tobytes() for row in bits]
    palette = (b"PLTE", colours.tobytes())
    assert (result(png(8, 8, depth, 3, rows, palette), 8) == colours[places]).all()
    alpha = np.array([0, 128, *[255] * 14], np.uint8)[: 2**depth]
    shown = over_white(colours, alpha)[places]
    assert (result(png(8, 8, depth, 3, rows, palette, (b"tRNS", alpha.tobytes())), 8) == shown).all()


def test_one_bit_is_black_and_white() -> None:
    bits = (GREY > 128).astype(np.uint8)
    for form in ("PNG", "BMP"):
        content = encoded(bits * 255, form, "1")
        assert (result(content) == thrice(bits * 255)).all()


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_what_is_transparent_shows_white(form: str) -> None:
    alpha = photo(SIDE, SIDE, 7, 1)[:, :, 0]
    alpha[:4], alpha[4:8] = 0, 255
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    content = encoded(np.dstack([RGB, alpha]), form, **options)
    out = result(content)
    assert (out == over_white(RGB, alpha)).all()
    assert (out[:4] == 255).all() and (out[4:8] == RGB[4:8]).all()


def test_transparency_of_grey() -> None:
    alpha = photo(SIDE, SIDE, 8, 1)[:, :, 0]
    layers = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(alpha)))
    buffer = io.BytesIO()
    layers.save(buffer, "PNG")
    assert (result(buffer.getvalue()) == over_white(thrice(GREY), alpha)).all()
    value = int(GREY[3, 3])
    keyed = encoded(GREY, "PNG", transparency=value)
    assert (result(keyed) == thrice(np.where(value == GREY, 255, GREY).astype(np.uint8))).all()


@pytest.mark.parametrize("colour, channels", [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_keep_their_high_byte(colour: int, channels: int) -> None:
    values = np.random.default_rng(3).integers(0, 2**16, (SIDE, SIDE, channels), dtype=np.uint16)
    rows = [row.astype(">u2").tobytes() for row in values]
    high = (values >> 8).astype(np.uint8)
    shown = high[..., :3] if colour in (2, 6) else thrice(high[..., 0])
    if colour in (4, 6):
        shown = over_white(shown, high[..., -1])
    assert (result(png(SIDE, SIDE, 16, colour, rows)) == shown).all()


ORIENTED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_exif_rotation_is_undone(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(RGB, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    stored = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert (result(content) == ORIENTED[orientation](stored)).all()


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_senseless_orientation_turns_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (result(encoded(RGB, exif=exif)) == RGB).all()


def test_broken_metadata_is_ignored() -> None:
    for exif in (
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01" * 40,
    ):
        assert (result(encoded(RGB, "JPEG", exif=exif)) == result(encoded(RGB, "JPEG"))).all()
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta tiff:Orientation=<<\xff\xfe"
    plain = encoded(RGB, "JPEG")
    content = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp + plain[2:]
    assert (result(content) == result(plain)).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "WEBP"])
def test_gzipped_files_are_unzipped(form: str) -> None:
    content = encoded(RGB, form)
    assert (result(gzip.compress(content)) == result(content)).all()


@pytest.mark.parametrize(
    "content, reason",
    [
        (gzip.compress(encoded(RGB))[:-40], "a gzip file cut short"),
        (gzip.compress(encoded(RGB))[:12], "a gzip file cut short"),
        (b"\x1f\x8b\x08\0" + bytes(6) + b"\xff" * 90, "a damaged gzip file"),
        (gzip.compress(b""), "the file is empty"),
        (gzip.compress(b"hello"), "not an image of a known form"),
        (gzip.compress(gzip.compress(encoded(RGB))), "not an image of a known form"),
    ],
)
def test_gzipped_files_that_hold_no_image(content: bytes, reason: str) -> None:
    with pytest.raises(Skip, match=reason):
        result(content)


def test_a_gzip_file_unfolds_only_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "UNZIPPED_LIMIT", 5000)
    whole = encoded(np.zeros((SIDE, SIDE, 3), np.uint8), "BMP")
    assert not result(gzip.compress(whole)).any()
    with pytest.raises(Skip, match="of more than 5000 bytes"):
        result(gzip.compress(whole + bytes(5000)))


def test_a_gzip_file_of_no_image_is_not_unfolded() -> None:
    import tracemalloc

    zeros = gzip.compress(bytes(100 * 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(Skip, match="not an image of a known form"):
            result(zeros)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_jpeg_of_giant_size_is_known_by_its_header() -> None:
    content = bytearray(encoded(RGB, "JPEG"))
    frame = content.index(b"\xff\xc0") + 5
    content[frame : frame + 4] = struct.pack(">HH", 13_000, 13_100)
    with pytest.raises(Skip, match=f"13100x13000 pixels are more than {PIXEL_LIMIT}"):
        result(bytes(content))


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_animations_give_their_first_picture(form: str) -> None:
    buffer = io.BytesIO()
    later = [Image.fromarray(photo(SIDE, SIDE, seed)) for seed in (11, 12)]
    options = {"lossless": True} if form == "WEBP" else {}
    Image.fromarray(RGB).save(buffer, form, save_all=True, append_images=later, **options)
    assert (result(buffer.getvalue()) == RGB).all()


def test_tiny_images_are_spread() -> None:
    assert (result(encoded(np.full((1, 1, 3), 9, np.uint8)), 16) == 9).all()
    line = np.zeros((1, 101, 3), np.uint8)
    line[0, 50] = 200  # the centre pixel is the whole square
    assert (result(encoded(line), 8) >= 199 - 75).all()


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "the file is empty"),
        (b"hello", "not an image of a known form"),
        (encoded(RGB, "GIF"), "not an image of a known form"),
        (encoded(RGB, "TIFF"), "not an image of a known form"),
        (encoded(RGB, "JPEG")[:-200], "it cannot be decoded"),
        (encoded(photo(200, 200, 1), "JPEG")[:-2000], "it cannot be decoded: image file is truncated"),
        (encoded(RGB, "PNG")[:-300], "it cannot be decoded"),
        (encoded(RGB, "WEBP")[:-100], "it cannot be decoded"),
        (encoded(RGB, "BMP")[:-100], "it cannot be decoded: image file is truncated"),
        (png(20_000, 20_000, 8, 2, [b"\0"]), "pixels"),
        (png(9_000, 9_000, 8, 0, [b"\0"]), f"9000x9000 pixels are more than {PIXEL_LIMIT}"),
    ],
)
def test_what_cannot_be_used_is_skipped_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(Skip, match=reason):
        result(content)


def test_a_reason_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError(f"no tile in {object()!r}")

    with monkeypatch.context() as patch, pytest.raises(Skip, match=r"no tile in <object object at 0x\.\.>"):
        patch.setattr(Image, "open", fail)
        result(encoded(RGB))
    reasons = set()
    for _ in range(3):
        with pytest.raises(Skip) as skip:
            result(encoded(RGB, "WEBP")[:40])
        reasons.add(str(skip.value))
    assert len(reasons) == 1
