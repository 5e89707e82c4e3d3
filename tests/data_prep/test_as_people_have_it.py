"""Folders of images as people have them: split names of every kind, what systems put beside, names of every kind."""

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from preparing import listed, refused
from samples import encoded, files_of, folder_source, photo, write

from alexnet.data.format import ClassInfo, titles
from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from data_prep import PrepOptions, prepare
from data_prep.readers import Listing, recognise
from data_prep.readers.folders import split_of

IMAGE = encoded(photo(20, 20, 1))


def counts(listing: Listing) -> dict[str, int]:
    return {split: len(entries) for split, entries in listing.splits.items()}


@pytest.mark.parametrize(
    "train, val, test",
    [
        ("Train", "Val", "Test"),
        ("Training", "Validation", "Testing"),
        ("TRAIN", "VALID", "TEST"),
        ("train_set", "valid-set", "test set"),
        ("training_data", "val", "testset"),
        ("train-images", "validation_images", "test"),
    ],
)
def test_splits_by_any_of_their_names(tmp_path: Path, train: str, val: str, test: str) -> None:
    folders = {f"{split}/{name}": count for split, count in ((train, 3), (val, 2), (test, 1)) for name in "xy"}
    folder_source(tmp_path, folders | {"test-multiple_fruits": 2, "docs": 1})
    listing = listed(tmp_path)
    assert [info.id for info in listing.classes] == ["x", "y"]
    assert counts(listing) == {"train": 6, "val": 4, "test": 2}
    assert [note.removeprefix(f"{tmp_path}/") for note in listing.notes] == [
        "docs is not a split and is left out",
        "test-multiple_fruits is not a split and is left out",
    ]


@pytest.mark.parametrize("name", ["valley", "trainer", "contest", "tests", "val2", "traindata set", "set", ""])
def test_what_is_no_splits_name(name: str) -> None:
    assert split_of(name) == ""


@pytest.mark.parametrize("others", [{}, {"test1": 4}, {"val": 2, "test": 2}, {"Test": 2, "dev": 1}])
def test_images_of_train_that_lie_in_no_class_folders(tmp_path: Path, others: dict[str, int]) -> None:
    folder_source(tmp_path, {"train": 6} | others)
    write(tmp_path / "train" / "._0000.png", b"x")
    write(tmp_path / "labels.csv", b"id,label\n")
    refused(
        tmp_path, rf"{tmp_path}/train: its 6 images lie in no class folders: make a folder in it for each class, such"
    )
    with pytest.raises(Failure, match="lie in no class folders"):
        prepare(tmp_path, tmp_path / "out", PrepOptions(size=16, workers=1))
    assert not (tmp_path / "out").exists()


def test_images_in_the_source_itself(tmp_path: Path) -> None:
    folder_source(tmp_path, {".": 3, ".thumbnails": 2})
    refused(tmp_path, rf"{tmp_path}: its 3 images lie in no class folders: make a folder in it for each class")
    folder_source(tmp_path, {"a": 2, "b": 2})
    assert f"{tmp_path} holds 3 images beside its class folders, which are left out" in listed(tmp_path).notes


@pytest.mark.parametrize(
    "one, other", [("train-2019", "test-2019"), ("Test", "Val"), ("fold1", "fold2"), ("split_0", "split_1")]
)
def test_splits_under_other_names_are_no_classes(tmp_path: Path, one: str, other: str) -> None:
    folder_source(tmp_path, {f"{split}/{name}": 2 for split in (one, other) for name in ("cat", "dog")})
    refused(tmp_path, "both with a folder cat: they are splits, not classes: call them train, val and test")


@pytest.mark.parametrize(
    "folders, said",
    [
        (("seg_train/seg_train/sea", "seg_test/seg_test/sea", "seg_pred/seg_pred"), ", both with a folder sea"),
        (("signs_train/signs_train/A", "signs_train/signs_train/B", "signs_test/signs_test"), ""),
        (("train-2019", "test-2019"), ""),
        (("val", "test"), ""),
    ],
)
def test_folders_that_are_all_called_after_splits_are_no_classes(
    tmp_path: Path, folders: tuple[str, ...], said: str
) -> None:
    """As archives on the net have them."""
    folder_source(tmp_path, dict.fromkeys(folders, 2))
    one, other = sorted({folder.partition("/")[0] for folder in folders})[-2:]
    refused(tmp_path, f"holds {one} and {other}{said}: they are splits, not classes: call them train, val and test")


def test_a_folder_that_is_repeated_inside_of_a_split_is_gone_into(tmp_path: Path) -> None:
    folder_source(tmp_path, {f"{name}_set/{name}_set/{each}": 2 for name in ("Training", "test") for each in "xy"})
    listing = listed(tmp_path)
    assert [info.id for info in listing.classes] == ["x", "y"] and counts(listing) == {"train": 4, "test": 4}
    assert all(listing.fetch(entry) == (tmp_path / entry.file).read_bytes() for entry in listing.splits["test"])
    folder_source(tmp_path / "deeper", {f"{split}/images/{each}": 2 for split in ("train", "val") for each in "xy"})
    refused(tmp_path / "deeper", "train holds one folder, images: move what is in that up into it")


def test_folders_below_classes_are_no_splits(tmp_path: Path) -> None:
    """A class may have any folders below it, and be called like a split."""
    folder_source(tmp_path, {"cat/day 1": 2, "cat/day 2": 1, "dog/day 1": 2, "train": 3, "test": 1})
    listing = listed(tmp_path)
    assert [info.id for info in listing.classes] == ["cat", "dog", "test", "train"] and counts(listing) == {"train": 9}


def test_splits_inside_of_the_classes_are_refused(tmp_path: Path) -> None:
    folder_source(tmp_path, {f"{name}/{split}": 2 for name in ("cat", "dog") for split in ("Train", "test")})
    refused(tmp_path, "and the other classes each hold their splits: put the splits above the classes")


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    folder_source(tmp_path, {"train/a": 1, "train/b": 1, "Validation/a": 1, "valid/a": 1})
    refused(tmp_path, r"has both Validation and valid: keep the one to be val")


@pytest.mark.parametrize("inner", ["tiny set/Training", "flat"])
def test_one_folder_above_it_all_is_named(tmp_path: Path, inner: str) -> None:
    folder_source(tmp_path, {f"{inner}/a": 1, f"{inner}/b": 1, "__MACOSX/a": 1})
    refused(
        tmp_path, rf"{tmp_path} holds one folder, {inner.split('/')[0]}: give {tmp_path / inner.split('/')[0]}, where"
    )


def test_what_systems_put_beside_is_not_looked_at(tmp_path: Path) -> None:
    clean, littered = tmp_path / "clean", tmp_path / "littered"
    for root in (clean, littered):
        folder_source(root, {"train/a": 3, "train/b": 3, "val/a": 1})
    for name in ("._0000.png", ".DS_Store", "@eaDir/0000.png/SYNOPHOTO_THUMB_M.jpg", ".ipynb_checkpoints/x.png"):
        write(littered / "train" / "a" / name, b"x")
    for name in ("__MACOSX/train/a/._0000.png", "__MACOSX/x.png", "._train", "$RECYCLE.BIN/x.png", "._c/x.png"):
        write(littered / name, b"x")
    write(littered / "train" / "__MACOSX" / "a" / "x.png", b"x")
    one, two = listed(clean), listed(littered)
    assert (one.splits, one.classes, one.content, one.notes) == (two.splits, two.classes, two.content, two.notes)


@pytest.mark.parametrize("place", ["data", "train/data", "train/a/data"])
def test_a_dataset_in_its_own_source(tmp_path: Path, place: str) -> None:
    source = folder_source(tmp_path / "source", {"train/a": 8, "train/b": 8})
    prepare(source, tmp_path / "apart", PrepOptions(size=16, workers=1))
    out = source / place
    prepare(source, out, PrepOptions(size=16, workers=1))
    write(out / "show.png", IMAGE)
    write(out / "classes" / "show.png", IMAGE)
    assert prepare(source, out, PrepOptions(size=16, workers=1)).made == 0, "the second finds the same images"
    for name, content in files_of(tmp_path / "apart").items():
        assert name == "prep.json" or (out / name).read_bytes() == content
    assert [info.id for info in listed(source).classes] == ["a", "b"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_composed_and_decomposed_are_one_name(tmp_path: Path, form: str) -> None:
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    café, plain = unicodedata.normalize(form, "café"), unicodedata.normalize(other, "café")
    folder_source(tmp_path, {f"train/{café}": 3, "train/dog": 3, f"val/{plain}": 2, "val/dog": 1})
    listing = listed(tmp_path)
    assert [info.name for info in listing.classes] == ["café", "dog"] and counts(listing) == {"train": 6, "val": 3}
    assert [entry.label for entry in listing.splits["val"]] == [0, 0, 1]
    assert all(listing.fetch(entry) for entries in listing.splits.values() for entry in entries)
    for spelt in (café, plain):
        wanted = write(tmp_path / "wanted.txt", f"{spelt.upper()}\n".encode())
        assert [info.id for info in listed(tmp_path, classes=wanted).classes] == ["café"]


def test_one_class_in_two_spellings_is_one(tmp_path: Path) -> None:
    folder_source(tmp_path, {unicodedata.normalize(form, "é"): 2 for form in ("NFC", "NFD")} | {"b": 2})
    listing = listed(tmp_path)
    assert [info.id for info in listing.classes] == ["b", "é"] and counts(listing) == {"train": 6}
    assert prepare(tmp_path, tmp_path / "out", PrepOptions(size=16, workers=1)).images == {"train": 4, "val": 2}


def test_a_class_whose_name_is_no_utf8_can_be_printed(tmp_path: Path) -> None:
    broken = os.fsdecode(b"caf\xe9")
    source = folder_source(tmp_path / "source", {broken: 3, "dog": 3})
    prepare(source, tmp_path / "out", PrepOptions(size=16, workers=1))
    data = Dataset(tmp_path / "out")
    assert [(info.id, info.name) for info in data.classes] == [(broken, r"caf\xe9"), ("dog", "dog")]
    assert all(info.name.encode() for info in data.classes)
    assert broken.encode("utf-8", "surrogateescape") in b"".join(
        name.encode("utf-8", "surrogateescape") for name in data.split("train").names
    )


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lists_as_windows_saves_them(tmp_path: Path, mark: bytes, end: bytes) -> None:
    folder_source(tmp_path, {"n01440764": 2, "n01443537": 2, "n02123045": 2})
    write(tmp_path / "words.txt", mark + end.join([b"n01440764\ttench", b"n02123045\ttabby"]) + end)
    wanted = write(tmp_path / "keep.txt", mark + end.join([b"n01440764", b"tabby"]) + end)
    assert [(info.id, info.name) for info in listed(tmp_path, classes=wanted).classes] == [
        ("n01440764", "tench"),
        ("n02123045", "tabby"),
    ]
    write(tmp_path / "keep.txt", "n01440764\r\nn02123045\r\n".encode("utf-16"))
    assert len(listed(tmp_path, classes=wanted).classes) == 2, "Unicode, as Windows calls it"


def test_names_long_spaced_and_upper_case(tmp_path: Path) -> None:
    folder_source(tmp_path, {"a b  c": 1, "-x": 1})
    for name in (f"{'n' * 240}.png", " .JPG", "with space .PnG", "new\nline.jpeg", "quote'\".webp"):
        write(tmp_path / "a b  c" / name, IMAGE)
    done = prepare(tmp_path, tmp_path / "out", PrepOptions(size=16, workers=1, val_share=0))
    assert done.images == {"train": 7} and done.skipped == 0
    kept = set(Dataset(tmp_path / "out").split("train").names)
    assert f"a b  c/{'n' * 240}.png" in kept and "a b  c/new\nline.jpeg" in kept


def a_circle(root: Path) -> None:
    (root / "a" / "round").symlink_to(root / "a" / "round")


def a_pipe(root: Path) -> None:
    os.mkfifo(root / "a" / "pipe.png")


def a_device(root: Path) -> None:
    (root / "a" / "zero.png").symlink_to("/dev/zero")


@pytest.mark.parametrize(
    "harm, message",
    [
        (a_circle, r"a/round cannot be listed \(Too many levels of symbolic links\)"),
        (a_pipe, r"a/pipe\.png is not a file that can be read"),
        (a_device, r"a/zero\.png is not a file that can be read"),
    ],
)
def test_what_is_no_file_is_named(tmp_path: Path, harm: Callable[[Path], None], message: str) -> None:
    folder_source(tmp_path, {"a": 2, "b": 2})
    harm(tmp_path)
    refused(tmp_path, message)


def test_a_file_longer_than_any_image_is_skipped_unread(tmp_path: Path) -> None:
    folder_source(tmp_path / "source", {"a": 10, "b": 10})
    with (tmp_path / "source" / "a" / "huge.png").open("wb") as file:
        file.truncate(2**40)
    done = prepare(tmp_path / "source", tmp_path / "out", PrepOptions(size=16, workers=1))
    (fact,) = map(json.loads, (tmp_path / "out" / "skipped.jsonl").read_text().splitlines())
    assert done.skipped == 1 and fact["reason"] == "1099511627776 bytes are more than an image needs"
    assert fact["class"] == "a" and fact["name"] == "a/huge.png"


def test_classes_of_one_name_are_told_apart() -> None:
    named = [("n02012849", "crane"), ("n01440764", "tench"), ("n03126707", "crane")]
    classes = [ClassInfo(index, key, name) for index, (key, name) in enumerate(named)]
    assert titles(classes) == ["crane (n02012849)", "tench", "crane (n03126707)"]


def test_recognised_is_what_has_folders(tmp_path: Path) -> None:
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / ".hidden").mkdir()
    with pytest.raises(Failure, match="holds no images in a form that is known"):
        recognise(tmp_path)
