"""Gzip files, unzipped no further than what is in them may be long: a small one can hold any number of zeros."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from alexnet.errors import Failure, reason

PIECE = 2**20


@contextmanager
def unzipping(path: Path) -> Iterator[BinaryIO]:
    """The content of a file, unzipped where it is called .gz; what is damaged becomes a Failure that names it."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield cast(BinaryIO, file)
    except (OSError, EOFError, zlib.error) as error:
        raise Failure(f"{path} cannot be read ({reason(error)}): get it again") from None


def up_to(file: BinaryIO, most: int) -> bytes:
    """The next bytes, `most` at the most; memory is taken for those that come, not for those that may."""
    content = bytearray()
    while len(content) < most and (piece := file.read(min(PIECE, most - len(content)))):
        content += piece
    return bytes(content)
