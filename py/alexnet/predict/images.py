"""The images that a net is asked about: files, folders and lists of them, each as the square that the net takes."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from alexnet.data.decode import SUFFIXES, Skip, square
from alexnet.data.format import Pixels
from alexnet.errors import Failure, reason
from alexnet.texts import decoded, is_beside


def named(paths: Iterable[Path], lists: Sequence[Path] = ()) -> list[Path]:
    """The image files: each path, of a folder those in it by their names, and what each list names, a file a line.

    What is hidden or put there by a system is left out. Raises Failure where a folder or list holds none, or cannot be
    read.
    """
    found = [file for path in paths for file in (_inside(path) if path.is_dir() else [path])]
    for each in lists:
        found += _listed(each)
    return found


def pixels_of(image: Path | str | Pixels, size: int) -> Pixels:
    """An image as the net takes it: (size, size, 3) uint8. Raises Failure where it cannot be used."""
    shape = (size, size, 3)
    if isinstance(image, np.ndarray):
        if image.shape != shape or image.dtype != np.uint8:
            raise Failure(f"an image of shape {image.shape}, {image.dtype}: give {shape} uint8, or a file's path")
        return image
    pixels: Pixels = np.empty(shape, np.uint8)
    try:
        square(Path(image).read_bytes(), pixels)
    except Skip as skip:
        raise Failure(f"{image}: {skip}; give a JPEG, PNG, WebP or BMP image") from skip
    except OSError as error:
        raise Failure(f"{image}: cannot be read ({error.strerror or reason(error)})") from error
    except ValueError as error:  # a zero byte in its name
        raise Failure(f"{image}: cannot be read ({reason(error)})") from error
    return pixels


def _inside(folder: Path) -> list[Path]:
    files = sorted(path for path in _visible(folder) if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise Failure(f"{folder}: holds no images; name files that end with {', '.join(SUFFIXES)}")
    return files


def _visible(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not any(map(is_beside, path.relative_to(folder).parts)):
            yield path


def _listed(path: Path) -> list[Path]:
    try:
        lines = decoded(path.read_bytes(), "surrogateescape").splitlines()  # a name may be any bytes
        if "\0" in "".join(lines):
            raise ValueError("it is no text")
    except (OSError, ValueError) as error:
        raise Failure(f"{path}: cannot be read as a list ({reason(error)}); write an image file per line") from error
    if not (files := [Path(line) for line in lines if line.strip()]):
        raise Failure(f"{path}: names no image; write an image file per line")
    return files
