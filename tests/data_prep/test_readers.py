"""The forms in which datasets come: what is recognised, listed, read, refused."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from samples import encoded, folder_source, idx_bytes, idx_source, photo, write

from alexnet.errors import Failure
from data_prep.readers import Listing, recognise
from data_prep.readers.idx import read_idx


def listed(source: Path, form: str | None = None) -> Listing:
    return recognise(source, form).listing(source)


def names(listing: Listing, split: str) -> list[str]:
    return [entry.name for entry in listing.splits[split]]


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_split_folders(tmp_path: Path, val: str) -> None:
    folder_source(tmp_path, {"train/dog": 3, "train/cat": 2, f"{val}/dog": 1, "test/cat": 1})
    listing = listed(tmp_path)
    assert [(info.index, info.id, info.name) for info in listing.classes] == [(0, "cat", "cat"), (1, "dog", "dog")]
    assert {split: len(entries) for split, entries in listing.splits.items()} == {"train": 5, "val": 1, "test": 1}
    assert names(listing, "train") == [
        *(f"train/cat/{number:04d}.png" for number in range(2)),
        *(f"train/dog/{number:04d}.png" for number in range(3)),
    ]
    for split, entries in listing.splits.items():
        for entry in entries:
            assert listing.classes[entry.label].id == entry.name.split("/")[1]
            assert listing.fetch(entry) == (tmp_path / entry.name).read_bytes()
            assert entry.length == (tmp_path / entry.name).stat().st_size
            assert entry.name.startswith({"train": "train", "val": val, "test": "test"}[split])


def test_no_split_folders(tmp_path: Path) -> None:
    folder_source(tmp_path, {"b": 2, "a": 1, "train": 2})
    listing = listed(tmp_path)
    assert [info.id for info in listing.classes] == ["a", "b", "train"], "a class may be called train"
    assert list(listing.splits) == ["train"]


def test_files_that_are_not_images_are_left_out_and_told(tmp_path: Path) -> None:
    folder_source(tmp_path, {"a": 2, "b": 2})
    for name in ("a/notes.txt", "a/.hidden.png", "b/Thumbs.db", "b/.cache/x.png", "README", "c/only.txt"):
        write(tmp_path / name, b"x")
    for suffix in ("JPG", "jpeg", "WebP", "bmp"):
        write(tmp_path / "a" / "deeper" / f"x.{suffix}", b"x")
    listing = listed(tmp_path)
    assert len(listing.splits["train"]) == 8
    assert [info.id for info in listing.classes] == ["a", "b"]
    assert any("3 files are not images" in note and ".txt 2" in note for note in listing.notes)
    assert any("hold no images" in note and "c" in note for note in listing.notes)


def test_links_are_followed_but_not_round_in_circles(tmp_path: Path) -> None:
    folder_source(tmp_path / "real", {"a": 2, "b": 2})
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").symlink_to(tmp_path / "real" / "a")
    (source / "b").mkdir()
    (source / "b" / "one.png").symlink_to(tmp_path / "real" / "b" / "0000.png")
    (source / "b" / "again").symlink_to(source / "b")
    assert names(listed(source), "train") == ["a/0000.png", "a/0001.png", "b/one.png"]
    (source / "b" / "gone.png").symlink_to(tmp_path / "nothing")
    with pytest.raises(Failure, match=r"gone\.png is not a file that can be read"):
        listed(source)


def test_names_in_other_scripts_and_broken_ones(tmp_path: Path) -> None:
    folder_source(tmp_path, {"猫": 1, "犬 inu": 1})
    broken = os.fsdecode(b"caf\xe9")
    folder_source(tmp_path, {broken: 1})
    listing = listed(tmp_path)
    assert {info.id for info in listing.classes} == {"猫", "犬 inu", broken}


def test_digests_notice_changes(tmp_path: Path) -> None:
    folder_source(tmp_path, {"a": 2, "b": 2})
    first = listed(tmp_path)
    path = tmp_path / "a" / "0000.png"
    os.utime(path, (1, 1))
    touched = listed(tmp_path)
    assert touched.content == first.content and touched.stamp != first.stamp
    path.write_bytes(path.read_bytes() + b"x")
    assert listed(tmp_path).content != first.content
    path.rename(path.with_name("other.png"))
    assert listed(tmp_path).content not in (first.content, touched.content)


@pytest.mark.parametrize(
    "folders, message",
    [
        ({"train/a": 1, "train/b": 1, "val/c": 1}, r"1 classes that train lacks, the first: c"),
        ({"train/a": 1, "train/b": 1, "val/a": 1, "valid/a": 1}, r"has both val and valid"),
        ({"set/train/a": 1, "set/train/b": 1}, r"holds one folder, set: give .*/set"),
        ({"set/a": 1, "set/b": 1}, r"holds one folder, set: give .*/set"),
    ],
)
def test_folders_that_will_not_do(tmp_path: Path, folders: dict[str, int], message: str) -> None:
    folder_source(tmp_path, folders)
    with pytest.raises(Failure, match=message):
        listed(tmp_path)


def test_unlabelled_test_images_are_left_out(tmp_path: Path) -> None:
    folder_source(tmp_path, {"train/a": 1, "train/b": 1, "test": 3, "docs": 1})
    listing = listed(tmp_path)
    assert list(listing.splits) == ["train"]
    assert any("test has no class folders" in note for note in listing.notes)
    assert any("docs is not a split" in note for note in listing.notes)


def test_sources_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"there is no .*alexctl prep SOURCE --out"):
        recognise(tmp_path / "images")
    with pytest.raises(Failure, match=r"that is known: make a folder .*/cat.*, or give one of ilsvrc2012 .*folders"):
        recognise(tmp_path)
    with pytest.raises(Failure, match=rf"is a file: give the folder in which it lies, alexctl prep {tmp_path} "):
        recognise(write(tmp_path / "set.tar", b"x"))
    with pytest.raises(Failure, match=r"set\.ZIP is packed: unpack it and give its folder, alexctl prep set --out"):
        recognise(write(tmp_path / "set.ZIP", b"x"))
    with pytest.raises(Failure, match=r"--form tar is not known: ilsvrc2012"):
        recognise(tmp_path, "tar")


@pytest.mark.parametrize("zipped", [True, False])
def test_idx(tmp_path: Path, zipped: bool) -> None:
    idx_source(tmp_path, 40, 20, zipped=zipped)
    assert recognise(tmp_path).name == "idx"
    listing = listed(tmp_path)
    assert [info.name for info in listing.classes] == [str(number) for number in range(10)]
    assert {split: len(entries) for split, entries in listing.splits.items()} == {"train": 40, "test": 20}
    for split, count, seed in (("train", 40, 1), ("test", 20, 2)):
        images = photo(12, 12 * count, seed, 1).reshape(count, 12, 12)
        for number, entry in enumerate(listing.splits[split]):
            assert entry.name == f"{split}/{number:05d}" and entry.label == number * 7 % 10
            assert (listing.fetch(entry) == images[number]).all()


def test_idx_content_is_the_same_gzipped_or_not(tmp_path: Path) -> None:
    idx_source(tmp_path / "a", 20, 10, zipped=True)
    idx_source(tmp_path / "b", 20, 10, zipped=False)
    assert listed(tmp_path / "a").content == listed(tmp_path / "b").content
    idx_source(tmp_path / "c", 20, 10, classes=9)
    assert listed(tmp_path / "a").content != listed(tmp_path / "c").content


def test_idx_names_from_a_file(tmp_path: Path) -> None:
    idx_source(tmp_path, 20, 10, classes=3)
    write(tmp_path / "classes.txt", b"shirt\nAnkle boot\nbag\n")
    assert [(c.id, c.name) for c in listed(tmp_path).classes] == [("0", "shirt"), ("1", "Ankle boot"), ("2", "bag")]
    write(tmp_path / "classes.txt", b"shirt\nboot\n")
    with pytest.raises(Failure, match=r"names 2 classes, but there is a label 2"):
        listed(tmp_path)
    write(tmp_path / "classes.txt", b"\xff\xfe\n")
    with pytest.raises(Failure, match=r"classes\.txt cannot be read"):
        listed(tmp_path)


def test_idx_without_its_fellows(tmp_path: Path) -> None:
    idx_source(tmp_path, 20, 10)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(Failure, match=r"lacks the labels of t10k"):
        listed(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
    assert list(listed(tmp_path).splits) == ["train"]
    shutil.copy(tmp_path / "train-images-idx3-ubyte.gz", tmp_path / "t10k-images-idx3-ubyte.gz")
    write(tmp_path / "t10k-labels-idx1-ubyte", idx_bytes(np.zeros(19, np.uint8)))
    with pytest.raises(Failure, match=r"holds 20 images and t10k-labels-idx1-ubyte 19 labels"):
        listed(tmp_path)


WHOLE = idx_bytes(photo(4, 12, 1, 1).reshape(3, 4, 4))


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is not an IDX file"),
        (WHOLE[:10], "is not an IDX file"),
        (b"\0\0\x0b\3" + WHOLE[4:], "is not an IDX file"),
        (idx_bytes(np.zeros(5, np.uint8)), "is not an IDX file"),
        (WHOLE[:-1], r"has 47 bytes for an array of \(3, 4, 4\)"),
        (WHOLE + b"x", r"has 49 bytes"),
        (WHOLE[:4] + b"\xff" * 12 + WHOLE[16:], r"has 48 bytes for an array of"),
    ],
)
def test_idx_files_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(Failure, match=message):
        read_idx(write(tmp_path / "x-idx3-ubyte", content), 3)
    with pytest.raises(Failure, match=message):
        read_idx(write(tmp_path / "x-idx3-ubyte.gz", gzip.compress(content)), 3)


def limited(folder: Path, code: str, megabytes: int = 600) -> subprocess.CompletedProcess[str]:
    """Run it where no more memory is to be had."""
    script = f"import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, ({megabytes} << 20,) * 2)\n{code}"
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", script, str(folder)], env=paths, capture_output=True, text=True)


IMAGES = "train-images-idx3-ubyte.gz"
BOMB = """
from pathlib import Path
from alexnet.errors import Failure
from data_prep.readers import recognise
source = Path(sys.argv[1])
try:
    recognise(source).listing(source)
except Failure as failure:
    print(failure)
"""


@pytest.mark.parametrize(
    "name, begin, said",
    [
        (
            "train-images-idx3-ubyte.gz",
            idx_bytes(np.zeros((3, 4, 4), np.uint8)),
            "has 49 bytes or more for an array of",
        ),
        ("train-images-idx3-ubyte.gz", b"\0\0\x08\3" + b"\xff" * 12, "bytes for an array of (4294967295, 4294967295"),
        ("train-images-idx3-ubyte.gz", b"", "is not an IDX file of bytes in 3 dimensions"),
        ("cifar-10-binary.tar.gz", b"", "holds more than 268435456 bytes, which CIFAR-10 does not"),
    ],
)
def test_a_gzip_file_is_read_no_further_than_it_should_be_long(
    tmp_path: Path, name: str, begin: bytes, said: str
) -> None:
    """A small file of zeros: with all of them in memory the process would end."""
    with gzip.open(tmp_path / name, "wb", compresslevel=1) as file:
        file.write(begin)
        for _ in range(10 if begin.endswith(b"\xff") else 2000):
            file.write(bytes(2**20))
    write(tmp_path / "train-labels-idx1-ubyte", idx_bytes(np.zeros(3, np.uint8)))
    done = limited(tmp_path, BOMB)
    assert said in done.stdout and "get it again" in done.stdout, done


def test_idx_gzip_damage(tmp_path: Path) -> None:
    whole = gzip.compress(WHOLE)
    for damaged in (whole[:-4], whole[:20], b"junk", whole[:15] + b"\xff\xff" + whole[17:], b""):
        with pytest.raises(Failure, match=r"get it again"):
            read_idx(write(tmp_path / "x.gz", damaged), 3)


def test_one_image_of_each_kind_is_read_as_it_lies(tmp_path: Path) -> None:
    content = encoded(photo(5, 5, 1), "JPEG")
    write(tmp_path / "a" / "x.png", content)
    write(tmp_path / "b" / "y.jpg", content)
    listing = listed(tmp_path)
    assert [listing.fetch(entry) for entry in listing.splits["train"]] == [content] * 2
