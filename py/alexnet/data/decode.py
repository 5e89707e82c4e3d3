"""An image file's bytes, in whatever form, to the square of RGB bytes the net is fed (section 2).

One resampling: the shorter side becomes `size`, and the centre is cut out. Output pixel (i, j) is the
bicubic average (Pillow's, antialiased) about the source point

    y = (H - m)/2 + (i + 1/2) m/size,  x = (W - m)/2 + (j + 1/2) m/size,  m = min(H, W)

so an odd difference of the sides cuts half a pixel from each, and the longer side is never rounded.

A JPEG is decoded at a half, a quarter or an eighth of its sides, from fewer of their frequencies, so long as
they divide and stay at least `MARGIN` times `size`: in half the time, and half a level of 255 off in the mean over
sharp photographs (docs/data.md).
"""

import re
import warnings
import zlib
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from alexnet.data import png
from alexnet.data.centre import cut
from alexnet.data.format import Pixels
from alexnet.errors import reason

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp")  # by which files are taken for images
PIXEL_LIMIT = 64 * 2**20  # 192 MiB as RGB; the largest photographs of ImageNet have about half as many
FILE_LIMIT = 8 * PIXEL_LIMIT + 2**20  # no image of 16-bit RGBA needs more
UNZIPPED_LIMIT = 3 * PIXEL_LIMIT + 2**20
GZIP = b"\x1f\x8b"
BEGINNINGS = (b"\xff\xd8\xff", png.SIGNATURE, b"RIFF", b"BM")  # of FORMATS
MARGIN = 2  # scaled decoding: below this the error is four times as large
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Skip(Exception):
    """An image that cannot be used, with the reason; the same bytes always give the same reason."""


def square(content: bytes | Pixels, out: Pixels) -> None:
    """Decode `content` (an image file, gzipped or not, or pixels (H, W) or (H, W, 3)) into `out` (S, S, 3).

    Raises Skip where it is no image that can be decoded, and MemoryError.
    """
    if isinstance(content, bytes):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = _decode(_unzipped(content) if content.startswith(GZIP) else content, len(out))
        content = np.asarray(image)
    cut(content, out)


def _unzipped(content: bytes) -> bytes:
    """The image file in a gzip file: some images of ILSVRC-2010 are such."""
    unzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        whole = unzip.decompress(content, max(map(len, BEGINNINGS)))
        if whole and not whole.startswith(BEGINNINGS):
            return whole  # no image, whatever follows
        whole += unzip.decompress(unzip.unconsumed_tail, UNZIPPED_LIMIT)
    except zlib.error:
        raise Skip("it is a damaged gzip file") from None
    if not unzip.eof:
        raise Skip(f"it is a gzip file cut short, or of more than {UNZIPPED_LIMIT} bytes")
    return whole


def _decode(content: bytes, size: int) -> Image.Image:
    """The image upright, in mode L or RGB, for a square of `size`."""
    if not content:
        raise Skip("the file is empty")
    try:
        return _decoded(content, size)
    except Skip:
        if not content.startswith(png.SIGNATURE):
            raise
    return _decoded(png.without_metadata(content), size)  # which turns nothing where it cannot be read


def _decoded(content: bytes, size: int) -> Image.Image:
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
        if image.width * image.height > PIXEL_LIMIT:
            raise Skip(f"{image.width}x{image.height} pixels are more than {PIXEL_LIMIT}")
        _scale(image, MARGIN * size)
        image.load()
        return _plain(_upright(image))
    except (Skip, MemoryError):
        raise
    except UnidentifiedImageError:
        raise Skip(f"not an image of a known form ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError:
        raise Skip(f"more than {PIXEL_LIMIT} pixels") from None
    except Exception as error:  # the decoders answer damage with whatever exception comes first
        raise Skip(re.sub("0x[0-9a-f]+", "0x..", f"it cannot be decoded: {reason(error)}")[:200]) from None


def _scale(image: Image.Image, least: int) -> None:
    """Let a JPEG be decoded smaller, but with at least `least` pixels on each side."""
    width, height = image.size
    while width % 2 == height % 2 == 0 and min(width, height) >= 2 * least:
        width, height = width // 2, height // 2
    image.draft(None, (width, height))


def _upright(image: Image.Image) -> Image.Image:
    """Turn the image as its EXIF orientation asks; metadata that cannot be read asks nothing."""
    try:
        turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    except MemoryError:
        raise
    except Exception:
        turn = None
    return image if turn is None else image.transpose(turn)


def _plain(image: Image.Image) -> Image.Image:
    """Bring any mode to L or RGB: 16 bits keep their high byte, what is transparent shows white."""
    if image.mode in ("L", "RGB") and not image.has_transparency_data:
        return image
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise Skip("its values have more than 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(layer, mask=layer.getchannel("A"))
        return white
    return image.convert("L" if image.mode == "1" else "RGB")
