"""PNGs that are whole but for their metadata: the picture is taken, with the pixels that it has without it."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import Pixels, encoded, photo, png

from alexnet.data.decode import Skip, square
from alexnet.data.png import SIGNATURE, without_metadata

RGB = photo(37, 29, 1)
WHOLE = encoded(RGB, "PNG")
TURNED = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # by a quarter
HEAD, TAIL = WHOLE[:33], WHOLE[33:]


def chunk(kind: bytes, data: bytes, *, length: int | None = None, wrong: int = 0) -> bytes:
    told = len(data) if length is None else length
    return struct.pack(">I", told) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ wrong)


def result(content: bytes) -> Pixels:
    out = np.full((16, 16, 3), 7, np.uint8)
    square(content, out)
    return out


ODD = {
    "a text that unfolds to megabytes": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"prompt " * 400_000)),
    "an international one": chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"prompt " * 400_000)),
    "a profile of megabytes": chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(3 * 2**20))),
    "more texts than are taken": chunk(b"tEXt", b"a\0" + b"x" * 2**20) * 70,
    "a text with a wrong checksum": chunk(b"tEXt", b"Software\0x", wrong=1),
    "a profile with a wrong checksum": chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(500)), wrong=1),
    "a chunk of nobody's with a wrong checksum": chunk(b"vpAg", b"\0" * 9, wrong=77),
    "a text longer than the file": chunk(b"tEXt", b"Software\0x", length=2**31 - 1),
    "a text with a length of other bytes": chunk(b"tEXt", b"Software\0x", length=5),
    "a text cut short": chunk(b"tEXt", b"Software\0x")[:-9],
    "an empty resolution": chunk(b"pHYs", b""),
    "an empty gamma": chunk(b"gAMA", b""),
    "an EXIF with a wrong checksum": chunk(b"eXIf", TURNED, wrong=1),
    "an EXIF of no sense, and a text": chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff") + chunk(b"tEXt", b"a\0b", wrong=1),
    "an animation of no frames": chunk(b"acTL", b"\0\0") + chunk(b"tEXt", b"a\0b", wrong=1),
}


@pytest.mark.parametrize("odd", ODD)
def test_the_pixels_are_those_without_the_metadata(odd: str) -> None:
    assert (result(HEAD + ODD[odd] + TAIL) == result(WHOLE)).all()


@pytest.mark.parametrize("odd", sorted(set(ODD) - {"an EXIF with a wrong checksum"}))
def test_metadata_behind_the_pixels_is_no_worse(odd: str) -> None:
    """But for that one: Pillow looks at no checksum there, and turns the picture."""
    assert (result(WHOLE[:-12] + ODD[odd] + WHOLE[-12:]) == result(WHOLE)).all()


def test_an_orientation_that_is_whole_is_kept() -> None:
    turned = HEAD + chunk(b"eXIf", TURNED) + TAIL
    odd = HEAD + chunk(b"eXIf", TURNED) + chunk(b"tEXt", b"a\0b", wrong=1) + TAIL
    assert (result(odd) == result(turned)).all() and not (result(odd) == result(WHOLE)).all()


@pytest.mark.parametrize("colour", [0, 3])
def test_colours_and_transparency_are_kept(colour: int) -> None:
    """Greys of which one is seen through, and the same of a palette."""
    rows = [bytes([0, 1, 2, 3]), bytes([3, 2, 1, 0])]
    clear = (b"tRNS", b"\0\1" if colour == 0 else b"\xff\x00\xff\xff")
    palette = [] if colour == 0 else [(b"PLTE", bytes(range(10, 250, 20)))]
    whole, odd = png(4, 2, 8, colour, rows, *palette, clear), chunk(b"tEXt", b"a\0b", wrong=1)
    assert (result(whole[:33] + odd + whole[33:]) == result(whole)).all()
    assert not (result(whole) == result(png(4, 2, 8, colour, rows, *palette))).all()


@pytest.mark.parametrize("kind", [b"pLTE", b"tRnS", b"plte"])
def test_a_chunk_of_the_picture_under_a_damaged_name_is_not_passed_over(kind: bytes) -> None:
    """Else a palette's bit that turned would give a picture in other colours."""
    rows = [bytes([0b00011011])] * 4
    chunks = [(b"PLTE", bytes(range(12))), (b"tRNS", b"\xff\x00\xff\xff")]
    whole = png(4, 4, 2, 3, rows, *chunks)
    with pytest.raises(Skip):
        result(whole.replace(b"PLTE" if kind.upper() == b"PLTE" else b"tRNS", kind))


def test_damage_of_the_pixels_stays_damage() -> None:
    place = WHOLE.index(b"IDAT") + 40
    damaged = WHOLE[:place] + bytes([WHOLE[place] ^ 255]) + WHOLE[place + 1 :]
    with pytest.raises(Skip):
        result(damaged)
    with pytest.raises(Skip):
        result(HEAD + ODD["a text with a wrong checksum"] + TAIL[: len(TAIL) // 2])


def test_what_is_left_is_the_picture_alone(tmp_path: Path) -> None:
    content = HEAD + chunk(b"tEXt", b"a\0b") + ODD["a text longer than the file"] + TAIL
    assert without_metadata(content) == WHOLE
    assert without_metadata(SIGNATURE) == SIGNATURE
    (tmp_path / "x.png").write_bytes(without_metadata(content))
    with Image.open(tmp_path / "x.png") as image:
        assert (np.asarray(image) == RGB).all()
