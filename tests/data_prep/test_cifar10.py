"""CIFAR-10 in its four forms: the same images, and no pickle that runs anything."""

import io
import os
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import official
import pytest
from samples import Pixels, photo, write

from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from data_prep import PrepOptions, prepare
from data_prep.readers import Listing, recognise
from data_prep.readers.cifar10 import BATCHES, NAMES

ROWS = 20  # images of a batch


class Python2(pickle._Pickler):  # type: ignore[misc]
    """Pickles as Python 2 did, of which the published batches are: byte strings raw, NumPy's old module."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_raw(self, content: bytes) -> None:
        self.write(b"T" + struct.pack("<i", len(content)) + content)
        self.memoize(content)

    dispatch[bytes] = save_raw


def batches() -> dict[str, tuple[list[int], Pixels]]:
    """Each batch's labels and images (n, 3072), as CIFAR-10 stores them."""
    made = {}
    for number, name in enumerate(name for names in BATCHES.values() for name in names):
        images = photo(32, 32 * ROWS, number).reshape(ROWS, 32, 32, 3)
        labels = [(index * 7 + number) % 10 for index in range(ROWS)]
        made[name] = (labels, images.transpose(0, 3, 1, 2).reshape(ROWS, 3072))
    return made


def python2(content: object) -> bytes:
    buffer = io.BytesIO()
    Python2(buffer, protocol=2).dump(content)
    return buffer.getvalue().replace(b"numpy._core", b"numpy.core")


def binary_files() -> dict[str, bytes]:
    rows = {name: np.column_stack([np.array(labels, np.uint8), images]) for name, (labels, images) in batches().items()}
    return {f"{name}.bin": array.tobytes() for name, array in rows.items()} | {"batches.meta.txt": b"airplane\n"}


def python_files() -> dict[str, bytes]:
    files = {
        name: python2({b"batch_label": b"a batch", b"labels": labels, b"data": images, b"filenames": [b"x.png"]})
        for name, (labels, images) in batches().items()
    }
    return files | {"batches.meta": python2({b"label_names": [b"airplane"]})}


FORMS: dict[str, Callable[[Path], object]] = {
    "binary": lambda root: [write(root / "cifar-10-batches-bin" / name, c) for name, c in binary_files().items()],
    "python": lambda root: [write(root / "cifar-10-batches-py" / name, c) for name, c in python_files().items()],
    "bare": lambda root: [write(root / name, content) for name, content in binary_files().items()],
    "binary.tar.gz": lambda root: write(
        root / "cifar-10-binary.tar.gz", official.tar(binary_files(), mode="w:gz", folder="cifar-10-batches-bin")
    ),
    "python.tar.gz": lambda root: write(
        root / "cifar-10-python.tar.gz", official.tar(python_files(), mode="w:gz", folder="cifar-10-batches-py")
    ),
}


def made(root: Path, form: str) -> Path:
    FORMS[form](root)
    return root


def listed(source: Path) -> Listing:
    assert recognise(source).name == "cifar10"
    return recognise(source).listing(source)


@pytest.mark.parametrize("form", FORMS)
def test_every_image_has_its_label_and_pixels(form: str, tmp_path: Path) -> None:
    listing = listed(made(tmp_path, form))
    assert [info.name for info in listing.classes] == list(NAMES) and listing.class_order == "number"
    held = batches()
    for split, names in BATCHES.items():
        labels = [label for name in names for label in held[name][0]]
        images = np.concatenate([held[name][1] for name in names]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        assert [entry.label for entry in listing.splits[split]] == labels
        assert [entry.name for entry in listing.splits[split]] == [f"{split}/{n:05d}" for n in range(len(labels))]
        assert all((listing.fetch(e) == image).all() for e, image in zip(listing.splits[split], images, strict=True))
    assert listing.notes[0] == "train: 100 images of 10 classes (published: 50000 of 10)"


def test_all_forms_make_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for form in FORMS:
        prepare(made(tmp_path / form, form), tmp_path / f"out-{form}", PrepOptions(size=32, workers=1))
        digests.add((tmp_path / f"out-{form}" / "train-00000.h5").read_bytes())
    assert len(digests) == 1
    assert Dataset(tmp_path / "out-bare").counts == {"train": 90, "val": 10, "test": 20}


class Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


def turned() -> bytes:
    """A batch whose images lie column by column, and the first of them once more as it should."""
    labels, images = batches()["test_batch"]
    return python2({b"first": images[0].tobytes(), b"data": np.asfortranarray(images), b"labels": labels})


HARM: dict[str, tuple[str, str, bytes | None, str]] = {
    "missing": ("binary", "cifar-10-batches-bin/data_batch_3.bin", None, r"lacks data_batch_3\.bin: get it again"),
    "cut": (
        "binary",
        "cifar-10-batches-bin/data_batch_3.bin",
        bytes(3072),
        r"3072 bytes are not a batch, each image has",
    ),
    "label": ("binary", "cifar-10-batches-bin/test_batch.bin", b"\x0a" * 3073, r"has a label 10 in test_batch"),
    "pickle cut": ("python", "cifar-10-batches-py/data_batch_2", python_files()["data_batch_2"][:-900], "is damaged"),
    "pickle runs": (
        "python",
        "cifar-10-batches-py/data_batch_2",
        pickle.dumps(Runs()),
        r"names posix\.mkdir, which no",
    ),
    "pickle lacks": ("python", "cifar-10-batches-py/test_batch", python2({b"data": b""}), "is damaged"),
    "pickle turned": ("python", "cifar-10-batches-py/test_batch", turned(), "do not lie in one piece"),
    "pickle floats": (
        "python",
        "cifar-10-batches-py/test_batch",
        python2({b"data": np.zeros((2, 3072)), b"labels": [0, 1]}),
        "its images and labels do not fit",
    ),
    "archive cut": ("binary.tar.gz", "cifar-10-binary.tar.gz", b"\x1f\x8b\x08", "cannot be read"),
    "archive of others": (
        "python.tar.gz",
        "cifar-10-python.tar.gz",
        official.tar({"x": b""}, mode="w:gz"),
        "lacks data",
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_will_not_do(tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    form, file, content, message = HARM[harm]
    source = made(tmp_path, form)
    monkeypatch.chdir(tmp_path)
    if content is None:
        (source / file).unlink()
    else:
        (source / file).write_bytes(content)
    with pytest.raises(Failure, match=message) as failure:
        listed(source)
    assert "\n" not in str(failure.value) and str(source) in str(failure.value)
    assert not (tmp_path / "ran").exists()


def test_a_tar_that_is_none(tmp_path: Path) -> None:
    import gzip

    write(tmp_path / "cifar-10-binary.tar.gz", gzip.compress(b"junk" * 400))
    with pytest.raises(Failure, match=r"cifar-10-binary\.tar\.gz is damaged"):
        listed(tmp_path)
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz"):
        pass
    with pytest.raises(Failure, match=r"lacks data_batch_1\.bin"):
        listed(tmp_path)
