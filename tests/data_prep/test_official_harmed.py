"""ImageNet's own files, harmed: one line says what is wrong and what to do."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import official
import pytest
from preparing import listed, refused
from samples import replaced, write

from alexnet.errors import Failure
from data_prep import PrepOptions, prepare
from data_prep.readers import devkit

Harm = tuple[Callable[[Path], None], str]  # what is done to a source, and what is said of it


def refused_after(source: Path, harm: Harm) -> None:
    do, message = harm
    do(source)
    refused(source, message)


def devkit_with(root: Path, **files: bytes | None) -> None:
    """A devkit in which some files are others, or missing."""
    kit = official.devkit_files(official.images(), 2012)
    meta, truth = "data/meta.mat", "data/ILSVRC2012_validation_ground_truth.txt"
    kit |= {{"meta": meta, "truth": truth}[key]: content for key, content in files.items() if content is not None}
    for key, content in files.items():
        if content is None:
            del kit[{"meta": meta, "truth": truth}[key]]
    write(root / "ILSVRC2012_devkit_t12.tar.gz", official.tar(kit, mode="w:gz"))


LENGTH = len(official.meta_mat(2012))
HARM_2012: dict[str, Harm] = {
    "train cut": (
        lambda root: replaced(root / "ILSVRC2012_img_train.tar", lambda whole: whole[: len(whole) // 2]),
        r"ILSVRC2012_img_train\.tar is cut short: \d+ bytes are missing after byte \d+: get it again",
    ),
    "train cut between two": (
        lambda root: replaced(root / "ILSVRC2012_img_train.tar", lambda whole: whole.rstrip(b"\0")),
        r"ILSVRC2012_img_train\.tar is cut short",
    ),
    "train damaged": (
        lambda root: replaced(root / "ILSVRC2012_img_train.tar", lambda whole: whole[:600] + b"xx" + whole[602:]),
        r"ILSVRC2012_img_train\.tar is damaged: there is no tar header at byte 512",
    ),
    "train of images": (
        lambda root: shutil.copy(root / "ILSVRC2012_img_val.tar", root / "ILSVRC2012_img_train.tar"),
        r"ILSVRC2012_img_train\.tar does not hold a tar for each class",
    ),
    "train missing": (lambda root: (root / "ILSVRC2012_img_train.tar").unlink(), r"lacks ILSVRC2012_img_train\.tar"),
    "val short": (
        lambda root: replaced(root / "ILSVRC2012_img_val.tar", lambda whole: official.tar({"a.JPEG": b"x"})),
        r"img_val\.tar holds 1 images and .*devkit_t12\.tar\.gz classes for 15: get both again",
    ),
    "devkit missing": (
        lambda root: (root / "ILSVRC2012_devkit_t12.tar.gz").unlink(),
        r"lacks ILSVRC2012_devkit_t12\.tar\.gz, which tells the classes of ILSVRC2012_img_val\.tar: put it there",
    ),
    "devkit cut": (
        lambda root: replaced(root / "ILSVRC2012_devkit_t12.tar.gz", lambda whole: whole[:-200]),
        r"devkit_t12\.tar\.gz cannot be read",
    ),
    "devkit junk": (
        lambda root: replaced(root / "ILSVRC2012_devkit_t12.tar.gz", lambda whole: b"junk"),
        r"devkit_t12\.tar\.gz cannot be read",
    ),
    "no truth": (lambda root: devkit_with(root, truth=None), r"lacks data/ILSVRC2012_validation_ground_truth\.txt"),
    "truth short": (lambda root: devkit_with(root, truth=b"1\n2\n"), r"holds 15 images and .* classes for 2"),
    "truth of others": (lambda root: devkit_with(root, truth=b"9\n" * 15), r"truth\.txt is damaged \(an ID is not"),
    "truth from 0": (lambda root: devkit_with(root, truth=b"0\n" * 15), r"truth\.txt is damaged \(an ID is not"),
    "truth no numbers": (lambda root: devkit_with(root, truth=b"cat\n" * 15), r"truth\.txt is damaged"),
    "no meta": (lambda root: devkit_with(root, meta=None), r"lacks data/meta\.mat: get the devkit again"),
    "meta cut": (
        lambda root: devkit_with(root, meta=official.meta_mat(2012)[: LENGTH // 2]),
        r"data/meta\.mat is damaged \(.*\): get the devkit again",
    ),
    "meta empty": (lambda root: devkit_with(root, meta=b""), r"data/meta\.mat is damaged"),
}


@pytest.mark.parametrize("harm", HARM_2012)
def test_2012_that_will_not_do(tmp_path: Path, harm: str) -> None:
    refused_after(official.ilsvrc2012(tmp_path), HARM_2012[harm])


HARM_2010: dict[str, Harm] = {
    "no test truth": (
        lambda root: (root / "ILSVRC2010_test_ground_truth.txt").unlink(),
        r"lacks ILSVRC2010_test_ground_truth\.txt, which tells the classes of ILSVRC2010_images_test\.tar",
    ),
    "test truth short": (
        lambda root: write(root / "ILSVRC2010_test_ground_truth.txt", b"1\n"),
        r"images_test\.tar holds 10 images and .*test_ground_truth\.txt classes for 1",
    ),
    "devkit of 2012": (
        lambda root: write(
            root / "ILSVRC2010_devkit-1.0.tar.gz",
            official.tar(official.devkit_files(official.images(), 2012), mode="w:gz", folder="devkit-1.0"),
        ),
        r"lacks ILSVRC2010_devkit-1\.0\.tar\.gz",
    ),
    "patch cut": (
        lambda root: replaced(root / "patch_images.tar", lambda whole: whole[: len(whole) // 3]),
        r"patch_images\.tar is cut short",
    ),
}


@pytest.mark.parametrize("harm", HARM_2010)
def test_2010_that_will_not_do(tmp_path: Path, harm: str) -> None:
    refused_after(official.ilsvrc2010(tmp_path), HARM_2010[harm])


HARM_KAGGLE: dict[str, Harm] = {
    "no table": (
        lambda root: (root / "LOC_val_solution.csv").unlink(),
        r"lacks LOC_val_solution\.csv, which tells the classes of val: put it there",
    ),
    "table cut": (
        lambda root: replaced(root / "LOC_val_solution.csv", lambda whole: whole[: len(whole) // 2 - 50]),
        r"is not in LOC_val_solution\.csv: remove it, or get|LOC_val_solution\.csv is damaged",
    ),
    "empty table": (
        lambda root: write(root / "LOC_val_solution.csv", b"ImageId,PredictionString\n"),
        r"ILSVRC2012_val_\d+\.JPEG is not in LOC_val_solution\.csv",
    ),
    "another table": (
        lambda root: write(root / "LOC_val_solution.csv", b"a,b\n1,2\n"),
        r"LOC_val_solution\.csv is damaged",
    ),
    "val short": (
        lambda root: next((root / "ILSVRC/Data/CLS-LOC/val").iterdir()).unlink(),
        r"val holds 14 images, LOC_val_solution\.csv lists 15",
    ),
    "a class that is none": (
        lambda root: write(root / "ILSVRC/Data/CLS-LOC/train/cats/1.JPEG", b"x"),
        r"cats is not a WNID",
    ),
}


@pytest.mark.parametrize("harm", HARM_KAGGLE)
def test_kaggle_that_will_not_do(tmp_path: Path, harm: str) -> None:
    refused_after(official.kaggle(tmp_path), HARM_KAGGLE[harm])


HARM_TINY: dict[str, Harm] = {
    "table cut": (
        lambda root: replaced(root / "val/val_annotations.txt", lambda whole: whole[: len(whole) // 2 - 50]),
        r"is not in val_annotations\.txt: remove it, or get|val_annotations\.txt is damaged",
    ),
    "another table": (
        lambda root: write(root / "val/val_annotations.txt", b"val_0.JPEG\n"),
        r"val_annotations\.txt is damaged \(not enough values",
    ),
    "val short": (
        lambda root: next((root / "val/images").iterdir()).unlink(),
        r"val holds 14 images, val_annotations\.txt lists 15",
    ),
    "a class that is none": (lambda root: write(root / "train/cats/images/1.JPEG", b"x"), r"cats is not a WNID"),
}


@pytest.mark.parametrize("harm", HARM_TINY)
def test_tiny_imagenet_that_will_not_do(tmp_path: Path, harm: str) -> None:
    refused_after(official.tiny(tmp_path), HARM_TINY[harm])


def test_a_devkit_that_unfolds_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devkit, "LARGEST", 5000)
    refused_after(
        official.ilsvrc2012(tmp_path), (lambda root: devkit_with(root, meta=bytes(6000)), r"meta\.mat has 6000 bytes")
    )


def two_wholes(root: Path) -> None:
    write(root / "more.tar", official.tar(official.synset_tars(official.images())))


HARM_SYNSETS: dict[str, Harm] = {
    "both": (
        two_wholes,
        r"must hold either a tar for each synset or one tar of them, it has more\.tar, n01440764\.tar",
    ),
    "cut": (
        lambda root: replaced(root / "n02123045.tar", lambda whole: whole[:-11_000]),
        r"n02123045\.tar is cut short",
    ),
    "an image for a tar": (
        lambda root: write(root / "n02123045.tar", b"\xff\xd8" * 4000),
        r"n02123045\.tar is damaged: there is no tar header at byte 0",
    ),
    "a tar twice in the other": (
        lambda root: replaced(
            root / "n02123045.tar", lambda whole: whole.rstrip(b"\0") + bytes(-len(whole.rstrip(b"\0")) % 512) + whole
        ),
        r"train/n02123045/n02123045_10\.JPEG is there twice, in n02123045\.tar and in n02123045\.tar",
    ),
}


@pytest.mark.parametrize("harm", HARM_SYNSETS)
def test_synsets_that_will_not_do(tmp_path: Path, harm: str) -> None:
    refused_after(official.synsets(tmp_path), HARM_SYNSETS[harm])


def test_a_tar_cut_after_it_was_listed(tmp_path: Path) -> None:
    source = official.synsets(tmp_path)
    listing = listed(source)
    replaced(source / "n02123045.tar", lambda whole: whole[:1000])
    with pytest.raises(Failure, match=r"n02123045\.tar was cut short since it was listed"):
        for entry in listing.splits["train"]:
            listing.fetch(entry)


@pytest.mark.parametrize("change", ["content", "time"])
def test_a_tar_that_was_changed_is_noticed(tmp_path: Path, change: str) -> None:
    source = official.ilsvrc2012(tmp_path / "source")
    prepare(source, tmp_path / "out", PrepOptions(size=8, workers=1))
    assert prepare(source, tmp_path / "out", PrepOptions(size=8, workers=1)).made == 0
    if change == "time":
        os.utime(source / "ILSVRC2012_img_val.tar", (5, 5))
    else:
        named = official.images()
        named["train/n01440764/n01440764_3.JPEG"] += b"\0"
        write(source / "ILSVRC2012_img_train.tar", official.tar(official.synset_tars(named)))
    with pytest.raises(Failure, match=r"holds another dataset"):
        prepare(source, tmp_path / "out", PrepOptions(size=8, workers=1))
