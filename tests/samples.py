"""Sources for the tests of data_prep: images made from formulas, files written byte by byte."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
GROCERY = Path(__file__).resolve().parents[2] / "shared" / "data" / "grocery.zip"  # real photographs, beside the clone


def photo(width: int, height: int, seed: int, channels: int = 3) -> Pixels:
    """A smooth random picture with some noise, (height, width, channels)."""
    draws = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = np.zeros((height, width, channels))
    for channel in range(channels):
        for _ in range(3):
            a, b, c = draws.uniform(-0.4, 0.4, 3)
            waves[:, :, channel] += 40 * np.sin(a * rows + b * columns + 9 * c)
    return (128 + waves + draws.normal(0, 6, waves.shape)).clip(0, 255).astype(np.uint8)


def encoded(pixels: Pixels, form: str = "PNG", mode: str | None = None, **options: object) -> bytes:
    """The pixels as an image file."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, form, **options)
    return buffer.getvalue()


@cache
def photographs(count: int) -> list[bytes]:
    """So many JPEG files: real photographs where they are to be had, generated ones elsewhere."""
    if not GROCERY.exists():
        return [encoded(photo(61 + seed % 7, 53, seed), "JPEG") for seed in range(count)]
    with zipfile.ZipFile(GROCERY) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        return [archive.read(name) for name in names[:: len(names) // count][:count]]


def png(width: int, height: int, depth: int, colour: int, rows: list[bytes], *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of any depth and colour type (Pillow writes few of them), its rows given as packed bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [(b"IHDR", head), *extra, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, part) for kind, part in chunks)


def write(path: Path, content: bytes) -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def replaced(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Another content, made of the present one."""
    path.write_bytes(change(path.read_bytes()))


def folder_source(root: Path, counts: dict[str, int], seed: int = 0, side: int = 40) -> Path:
    """A folder of PNG files for each class ("train/cat": 5); each image tells its class by its first pixel."""
    for number, (folder, count) in enumerate(counts.items()):
        for index in range(count):
            pixels = photo(side, side, seed + 1000 * number + index)
            write(root / folder / f"{index:04d}.png", encoded(pixels))
    return root


def idx_bytes(array: Pixels) -> bytes:
    """An array as an IDX file."""
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def idx_source(root: Path, train: int, test: int, classes: int = 10, zipped: bool = True) -> Path:
    """Random IDX files of 12x12 as MNIST's are named, with every class about equally often."""
    for prefix, count, seed in (("train", train, 1), ("t10k", test, 2)):
        images = photo(12, 12 * count, seed, 1).reshape(count, 12, 12)
        labels = (np.arange(count) * 7 % classes).astype(np.uint8)
        for part, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            content = idx_bytes(array)
            name = f"{prefix}-{part}{'.gz' if zipped else ''}"
            write(root / name, gzip.compress(content) if zipped else content)
    return root


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes, but for the lock."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != ".lock"}
