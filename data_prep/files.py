"""The files of a dataset as bytes, and how they reach the disk: whole or not at all.

HDF5 builds its part in memory and the bytes are written here: a full disk is then an ordinary error,
where the HDF5 library itself may crash. Nothing in a file depends on when or by whom it was written.
"""

import io
import zlib
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from alexnet.data.format import (
    SHARD_FORMAT,
    SPLITS,
    STATS_FORMAT,
    Pixels,
    Stamp,
    guarded,
    put,
    put_names,
    put_skipped,
    reading,
    skipped_of,
)
from alexnet.data.shards import Shard
from alexnet.files import part_of, take_name, writing
from data_prep.readers import Entry
from data_prep.statistics import Sums, colour_axes

PAGE = 4096


def shard_head(
    stamp: Stamp,
    split: str,
    index: int,
    images: Pixels,
    entries: Sequence[Entry],
    skipped: Sequence[dict[str, str]],
    sums: Sums | None,
) -> bytes:
    """The bytes of a shard's file up to its images (n, S, S, 3), which follow and end it.

    `entries` are those of the images; `skipped` tells of those left out; `sums` is kept for the statistics.
    """
    size, buffer = stamp.size, io.BytesIO()
    aligned = {"alignment_threshold": size * size * 3, "alignment_interval": PAGE}
    with h5py.File(buffer, "w", libver=("v110", "v110"), **aligned) as file:
        data = file.create_dataset("images", images.shape, np.uint8, fill_time="never", track_times=False)
        stamp.put(file, SHARD_FORMAT)
        file.attrs["split"] = np.bytes_(split)
        file.attrs["shard"] = np.uint32(index)
        put(file, "labels", np.array([entry.label for entry in entries], np.int32))
        put_names(file, [entry.name for entry in entries])
        put(file, "checksums", np.array([zlib.crc32(image.data) for image in images], np.uint32))
        put_skipped(file, skipped)
        if sums is not None:
            put(file, "pixel_sums", sums.pixels.astype(np.uint32))
            put(file, "product_sums", sums.products)
        if not len(images):
            return _closed(file, buffer)
        data[0, 0, 0, 0] = 0  # now the room for the images is taken, behind all else
        offset: int = data.id.get_offset()
        return _closed(file, buffer)[:offset]


def shard_account(shard: Shard) -> tuple[list[dict[str, str]], Sums | None]:
    """What a shard's file keeps beside its images: the skipped entries, and for "train" the sums."""
    with reading(shard.path, SHARD_FORMAT) as file:
        skipped = skipped_of(file)
        if shard.split != "train":
            return skipped, None
        pixels, products = guarded(file, "pixel_sums"), guarded(file, "product_sums")
        return skipped, Sums(len(shard), pixels.astype(np.uint64), products)


def stats_file(stamp: Stamp, sums: Sums, images: dict[str, int], shards: dict[str, int]) -> bytes:
    """The bytes of stats.h5, from the sums over the training set and the counts of each split."""
    buffer = io.BytesIO()
    covariance = sums.covariance()
    values, vectors = colour_axes(covariance)
    with h5py.File(buffer, "w", libver=("v110", "v110")) as file:
        stamp.put(file, STATS_FORMAT)
        file.attrs["images"] = np.array([images.get(split, 0) for split in SPLITS], np.int64)
        file.attrs["shards"] = np.array([shards.get(split, 0) for split in SPLITS], np.int64)
        put(file, "mean", sums.mean())
        file.create_group("pca")
        put(file, "pca/covariance", covariance)
        put(file, "pca/eigenvalues", values)
        put(file, "pca/eigenvectors", vectors)
        return _closed(file, buffer)


def _closed(file: h5py.File, buffer: io.BytesIO) -> bytes:
    file.close()
    return buffer.getvalue()


def write_part(path: Path, *pieces: bytes | memoryview) -> Path:
    """Write a file beside `path` and return where it lies; Failure where it cannot be, and then nothing is left."""
    part = part_of(path)
    try:
        with writing(path), part.open("wb", buffering=0) as file:
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    rest = rest[file.write(rest) :]
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def commit(part: Path, path: Path) -> None:
    """Make `part` durable and then, at once, `path`."""
    with writing(path):
        take_name(part, path)
