"""A PNG without its metadata, for the pictures that are whole though their metadata is not.

A PNG is a signature and chunks: a length, a kind, so many bytes, a checksum of kind and bytes.
"""

import re
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # what the picture is made of
ANY_CASE = {kind.upper() for kind in PIXELS}
ORIENTATION = b"eXIf"


def without_metadata(content: bytes) -> bytes:
    """The chunks that make the picture, and its EXIF where that is whole; a chunk with a wrong length is passed over.

    What may be one of the picture's own chunks, but for the case of its letters, stays: such damage is not harmless.
    """
    kept = [chunk for chunk in _chunks(content) if _kind(chunk).upper() in ANY_CASE or _has_exif(chunk)]
    return SIGNATURE + b"".join(kept)


def _chunks(content: bytes) -> Iterator[bytes]:
    at = len(SIGNATURE)
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4])
        if end > len(content) or (end < len(content) and not content[end + 4 : end + 8].isalpha()):
            end = _next_of_the_picture(content, at + 8)
        yield content[at:end]
        at = end


def _next_of_the_picture(content: bytes, start: int) -> int:
    """Where the next chunk of the picture begins, by its kind and its checksum; else the end."""
    for found in re.compile(b"|".join(PIXELS)).finditer(content, start):
        at = found.start() - 4
        if _is_whole(content[at : at + 12 + int.from_bytes(content[at : at + 4])]):
            return at
    return len(content)


def _kind(chunk: bytes) -> bytes:
    return chunk[4:8]


def _is_whole(chunk: bytes) -> bool:
    length = int.from_bytes(chunk[:4])
    return len(chunk) == 12 + length and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])


def _has_exif(chunk: bytes) -> bool:
    return _kind(chunk) == ORIENTATION and _is_whole(chunk)
