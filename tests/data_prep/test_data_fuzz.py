"""Damage at random: to images on their way in, to every file of a dataset on its way out.

In: an image or a skip with a reason, never anything else, and never another image's label.
Out: a Failure, or exactly what was written.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import official
import pytest
import test_cifar10
from samples import encoded, folder_source, idx_source, photo, png, write

from alexnet.data.decode import Skip, square
from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from data_prep import PrepOptions, prepare
from data_prep.readers import recognise

EXIF = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
RGB = photo(37, 29, 1)
RGBA = np.dstack([RGB, photo(37, 29, 2, 1)])
WIDE = [row.astype(">u2").tobytes() for row in RGB[:, :, 0].astype(np.uint16) * 251]
FORMS = {
    "jpeg": encoded(RGB, "JPEG", exif=EXIF),
    "progressive": encoded(RGB, "JPEG", progressive=True),
    "cmyk": encoded(RGB, "JPEG", "CMYK"),
    "png": encoded(RGB, "PNG", exif=EXIF),
    "palette": encoded(RGB, "PNG", "P"),
    "alpha": encoded(RGBA, "PNG"),
    "png16": png(37, 29, 16, 0, WIDE),
    "webp": encoded(RGB, "WEBP"),
    "lossless": encoded(RGBA, "WEBP", lossless=True),
    "bmp": encoded(RGB, "BMP"),
    "bmp8": encoded(RGB, "BMP", "P"),
}
CASES = 80  # of each form


def damaged(content: bytes, draws: np.random.Generator) -> bytes:
    """Cut short, some bits turned, a stretch lost, doubled or overwritten; the head is hit more often."""
    reach = len(content) if draws.random() < 0.5 else min(len(content), 200)
    place, length = int(draws.integers(reach)), int(draws.integers(1, 40))
    match draws.integers(6):
        case 0:
            return content[:place]
        case 1 | 2:
            bits = np.frombuffer(content, np.uint8).copy()
            for place in draws.integers(reach, size=draws.integers(1, 9)):
                bits[place] ^= 1 << draws.integers(8)
            return bits.tobytes()
        case 3:
            return content[:place] + content[place + length :]
        case 4:
            return content[: place + length] + content[place:]
        case _:
            return content[:place] + draws.bytes(length) + content[place + length :]


def outcome(content: bytes, fill: int) -> bytes | str:
    """The square's bytes, made where `fill` was, or the reason of a skip."""
    out = np.full((16, 16, 3), fill, np.uint8)
    try:
        square(content, out)
    except Skip as skip:
        return str(skip)
    return out.tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_damaged_images(form: str) -> None:
    draws = np.random.default_rng(sorted(FORMS).index(form))
    skips = 0
    for _ in range(CASES):
        content = damaged(FORMS[form], draws)
        first, again = outcome(content, 0), outcome(content, 255)
        assert first == again, "every pixel is written, and always the same"
        if isinstance(first, str):
            skips += 1
            assert 0 < len(first) <= 200 and "\n" not in first
    assert skips > 5, "the damage is not harmless"


def test_damaged_images_through_prep(tmp_path: Path) -> None:
    draws = np.random.default_rng(7)
    source, contents = tmp_path / "source", {}
    for number in range(300):
        form = list(FORMS)[number % len(FORMS)]
        name = f"class{number % 3}/{number:03d}-{form}.png"
        contents[name] = damaged(FORMS[form], draws) if number % 5 else FORMS[form]
        write(source / name, contents[name])
    done = prepare(source, tmp_path / "out", PrepOptions(size=16, workers=1, max_skipped=0.9))
    skipped = [json.loads(line) for line in (tmp_path / "out" / "skipped.jsonl").read_text().splitlines()]
    assert len(skipped) == done.skipped > 30 and sum(done.images.values()) + done.skipped == 300
    dataset = Dataset(tmp_path / "out")
    seen = {fact["name"] for fact in skipped}
    assert all(fact["class"] == fact["name"].split("/")[0] and fact["reason"] for fact in skipped)
    for name in done.images:
        split = dataset.split(name)
        for index, file in enumerate(split.names):
            assert dataset.classes[split.labels[index]].id == file.split("/")[0]
            out = np.zeros((16, 16, 3), np.uint8)
            square(contents[file], out)
            assert (split.image(index) == out).all()
        seen |= set(split.names)
    assert seen == set(contents)


@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_idx_files(tmp_path: Path, zipped: bool) -> None:
    source = idx_source(tmp_path, 30, 10, classes=4, zipped=zipped)
    draws = np.random.default_rng(int(zipped))
    suffix = ".gz" if zipped else ""
    failures = 0
    for number in range(120):
        path = source / (f"train-labels-idx1-ubyte{suffix}" if number % 2 else f"train-images-idx3-ubyte{suffix}")
        content = path.read_bytes()
        path.write_bytes(damaged(content, draws))
        try:
            listing = recognise(source).listing(source)
            assert len(listing.splits["train"]) == 30
            assert all(0 <= entry.label < len(listing.classes) for entry in listing.splits["train"])
            assert all(listing.fetch(entry).shape == (12, 12) for entry in listing.splits["train"])
        except Failure as failure:
            failures += 1
            assert path.name in str(failure)
        path.write_bytes(content)
    assert failures > 60


SOURCES: dict[str, tuple[Callable[[Path], object], str]] = {
    "devkit": (official.ilsvrc2012, "ILSVRC2012_devkit_t12/data/meta.mat"),
    "csv": (official.kaggle, "LOC_val_solution.csv"),
    "parquet": (official.parquet, "data/train-00000-of-00002.parquet"),
    "pickle": (test_cifar10.FORMS["python"], "cifar-10-batches-py/data_batch_3"),
    "gzip": (test_cifar10.FORMS["python.tar.gz"], "cifar-10-python.tar.gz"),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_damaged_sources(tmp_path: Path, kind: str) -> None:
    """A Failure in one line that names the file, or images that can be fetched and have a class."""
    make, name = SOURCES[kind]
    make(tmp_path)
    if kind == "devkit":
        (tmp_path / "ILSVRC2012_devkit_t12.tar.gz").unlink()
        for file, content in official.devkit_files(official.images(), 2012).items():
            write(tmp_path / "ILSVRC2012_devkit_t12" / file, content)
    path, draws, failures = tmp_path / name, np.random.default_rng(len(kind)), 0
    whole = path.read_bytes()
    for _ in range(100):
        path.write_bytes(damaged(whole, draws))
        try:
            listing = recognise(tmp_path).listing(tmp_path)
            for entry in listing.splits["train"][::9]:
                assert 0 <= entry.label < len(listing.classes)
                assert len(listing.fetch(entry)) > 0
        except Failure as failure:
            failures += 1
            assert "\n" not in str(failure) and str(tmp_path) in str(failure)
    assert failures > 5


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuzz")
    source = folder_source(root / "source", {"train/a": 6, "train/b": 6, "val/a": 1}, side=9)
    prepare(source, root / "out", PrepOptions(size=8, workers=1))
    return root / "out"


Contents = tuple[object, ...]


def everything(path: Path) -> Contents:
    """All that a dataset gives, in bytes."""
    dataset = Dataset(path)
    train = dataset.split("train")
    arrays = (dataset.mean, dataset.covariance, dataset.eigenvalues, dataset.eigenvectors, train.labels)
    images = [train.image(index).tobytes() for index in range(len(train))]
    facts = (dataset.size, dataset.class_order, dataset.counts, dataset.classes, train.names)
    return (*facts, images, *(array.tobytes() for array in arrays))


@pytest.mark.parametrize("name", ["train-00000.h5", "stats.h5", "classes.json"])
@pytest.mark.parametrize("part", range(5))
def test_damaged_datasets(whole: Path, tmp_path: Path, name: str, part: int) -> None:
    expected = everything(whole)
    data = Path(shutil.copytree(whole, tmp_path / "data"))
    draws = np.random.default_rng(part)
    content = (data / name).read_bytes()
    failures = 0
    for _ in range(60):
        changed = damaged(content, draws)
        (data / name).write_bytes(changed)
        try:
            assert everything(data) == expected
        except Failure as failure:
            failures += 1
            assert "\n" not in str(failure) and str(data) in str(failure)
    assert failures > 20


@pytest.mark.parametrize("name", ["train-00000.h5", "stats.h5"])
def test_every_bit_of_the_head(whole: Path, tmp_path: Path, name: str) -> None:
    """One bit at a time, all through the part that HDF5 reads."""
    expected = everything(whole)
    data = Path(shutil.copytree(whole, tmp_path / "data"))
    content = (data / name).read_bytes()
    for place in range(0, len(content), max(1, len(content) // 300)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        (data / name).write_bytes(changed)
        try:
            assert everything(data) == expected
        except Failure as failure:
            assert "\n" not in str(failure)
