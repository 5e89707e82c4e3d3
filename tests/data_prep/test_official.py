"""ImageNet in each form in which people hold it: the same images, labels and order, whatever they lie in."""

import shutil
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import official
import pytest
from official import IDS, TRAIN, VAL, WNIDS, WORDS
from preparing import listed
from samples import replaced, write

from alexnet.data.decode import square
from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from data_prep import PrepOptions, prepare
from data_prep.readers import devkit

SIZE = 32
FORMS: dict[str, Callable[[Path], Path]] = {
    "ilsvrc2012": official.ilsvrc2012,
    "ilsvrc2010": official.ilsvrc2010,
    "kaggle": official.kaggle,
    "parquet": official.parquet,
    "tiny": official.tiny,
}


def held(path: Path) -> dict[str, list[tuple[str, str, bytes]]]:
    """Every image of a dataset: its name, its class's ID and its pixels, in the stored order."""
    dataset = Dataset(path)
    return {
        name: [
            (file, dataset.classes[label].id, split.image(index).tobytes())
            for index, (file, label) in enumerate(zip(split.names, split.labels, strict=True))
        ]
        for name, split in ((name, dataset.split(name)) for name, count in dataset.counts.items() if count)
    }


def pixels_of(content: bytes) -> bytes:
    out = np.empty((SIZE, SIZE, 3), np.uint8)
    square(content, out)
    return out.tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_every_image_has_its_label_and_pixels(form: str, tmp_path: Path) -> None:
    source = FORMS[form](tmp_path / "source")
    done = prepare(source, tmp_path / "out", PrepOptions(size=SIZE, workers=1))
    year = 2010 if form == "ilsvrc2010" else 2012
    named = official.images(year)
    expected = {name: (name.split("/")[1], pixels_of(content)) for name, content in named.items()}
    splits = held(tmp_path / "out")
    assert done.skipped == 0 and sorted(splits) == (["test", "train", "val"] if year == 2010 else ["train", "val"])
    for split, images in splits.items():
        assert {name: (wnid, pixels) for name, wnid, pixels in images} == {
            name: fact for name, fact in expected.items() if name.startswith(split)
        }
    assert len(splits["train"]) == TRAIN * len(WNIDS) and len(splits["val"]) == VAL * len(WNIDS)


@pytest.mark.parametrize("order", ["wnid", "devkit"])
@pytest.mark.parametrize("form", ["ilsvrc2012", "kaggle", "parquet", "tiny"])
def test_the_same_dataset_as_from_folders(form: str, order: str, tmp_path: Path) -> None:
    sources = {"folders": official.folders(tmp_path / "folders"), form: FORMS[form](tmp_path / form)}
    kit = write(tmp_path / "devkit.tar.gz", official.tar(official.devkit_files(official.images(), 2012), mode="w:gz"))
    for name, source in sources.items():
        shutil.copy(kit, source / "ILSVRC2012_devkit_t12.tar.gz")
        prepare(source, tmp_path / f"out-{name}", PrepOptions(size=SIZE, workers=1, class_order=order))
    one, two = (Dataset(tmp_path / f"out-{name}") for name in sources)
    assert one.classes == two.classes and one.class_order == two.class_order == order
    assert (one.split("train").labels == two.split("train").labels).all()
    assert held(one.path) == held(two.path)
    assert (one.mean == two.mean).all()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar(form: int, tmp_path: Path) -> None:
    source = official.ilsvrc2012(tmp_path, form)
    listing = listed(source)
    named = official.images()
    assert {entry.name: listing.fetch(entry) for entries in listing.splits.values() for entry in entries} == {
        name: content for name, content in named.items() if not name.startswith("test")
    }


@pytest.mark.parametrize("make", [official.ilsvrc2012, official.ilsvrc2010, official.folders])
def test_classes_are_in_the_order_asked_for_whatever_theirs_in_the_tar(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    source = make(tmp_path)
    if make is official.folders:
        kit = official.tar(official.devkit_files(official.images(), 2012), mode="w:gz")
        write(source / "ILSVRC2012_devkit_t12.tar.gz", kit)
    by_order = {"wnid": official.WNIDS, "devkit": sorted(official.WNIDS, key=official.IDS.__getitem__)}
    for order, wnids in by_order.items():
        listing = listed(source, order)
        assert [(info.index, info.id) for info in listing.classes] == list(enumerate(wnids))
        for entries in listing.splits.values():
            assert all(entry.name.split("/")[1] == wnids[entry.label] for entry in entries)


def test_an_unpacked_devkit_will_do(tmp_path: Path) -> None:
    for make in (official.ilsvrc2012, official.ilsvrc2010):
        source = make(tmp_path / make.__name__)
        archive = next(source.glob("*devkit*"))
        whole = listed(source, "devkit")
        with tarfile.open(archive) as packed:
            for member in packed:  # one by one: a filter is known from Python 3.11.4 on
                packed.extract(member, source, set_attrs=False)
        archive.unlink()
        assert listed(source, "devkit").splits == whole.splits


@pytest.mark.parametrize("make", [official.ilsvrc2012, official.ilsvrc2010])
def test_the_devkit_knows_classes_by_id_and_no_parents(make: Callable[[Path], Path], tmp_path: Path) -> None:
    year = int(make.__name__[-4:])
    kit = devkit.find(make(tmp_path), year)
    assert kit is not None and kit.year == year
    assert [(synset.id, synset.wnid, synset.words) for synset in kit.synsets] == sorted(
        (number, wnid, WORDS[wnid]) for wnid, number in IDS.items()
    )
    assert [synset.images for synset in kit.synsets] == [TRAIN] * len(WNIDS)
    assert len(kit.validation_truth()) == VAL * len(WNIDS)


def test_what_is_told_of_2012(tmp_path: Path) -> None:
    source = official.ilsvrc2012(tmp_path)
    assert listed(source).notes == [
        "ILSVRC2012_img_test_v10102019.tar has no labels and is left out",
        "train: 30 images of 5 classes (published: 1281167 of 1000); each class has the images that the devkit counts",
        "val: 15 images of 5 classes (published: 50000 of 1000)",
    ]
    named = {name: content for name, content in official.images().items() if "n02012849_3." not in name}
    write(source / "ILSVRC2012_img_train.tar", official.tar(official.synset_tars(named)))
    assert (
        listed(source)
        .notes[1]
        .endswith("1 classes differ from what the devkit counts, the first: n02012849 has 5 of 6")
    )


def test_a_published_count_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from data_prep import published

    monkeypatch.setitem(published.IMAGES, "ilsvrc2012", {"train": 30, "val": 15})
    monkeypatch.setitem(published.CLASSES, "ilsvrc2012", 5)
    notes = listed(official.ilsvrc2012(tmp_path)).notes
    assert notes[1].startswith("train: 30 images of 5 classes, as published;")
    assert notes[2] == "val: 15 images of 5 classes, as published"


def test_without_val_and_devkit_there_is_still_train(tmp_path: Path) -> None:
    source = official.ilsvrc2012(tmp_path)
    (source / "ILSVRC2012_img_val.tar").unlink()
    (source / "ILSVRC2012_devkit_t12.tar.gz").unlink()
    listing = listed(source)
    assert list(listing.splits) == ["train"] and listing.classes[0].name == "n01440764"
    assert "ILSVRC2012_img_val.tar is not in" in listing.notes[0]
    with pytest.raises(Failure, match=r"--class-order devkit needs the devkit: put ILSVRC2012_devkit_t12\.tar\.gz"):
        listed(source, "devkit")


def test_patches_and_zipped_images_of_2010(tmp_path: Path) -> None:
    source = official.ilsvrc2010(tmp_path)
    listing = listed(source)
    entries = [entry for split in listing.splits.values() for entry in split]
    contents = {entry.name: listing.fetch(entry) for entry in entries}
    assert sum(entry.file == "patch_images.tar" for entry in entries) == 6
    assert sum(content[:2] == b"\x1f\x8b" for content in contents.values()) == 8
    assert all(contents.values())
    assert "patch_images.tar replaces 6 images" in listing.notes
    (source / "patch_images.tar").unlink()
    listing = listed(source)
    assert any("the images that it replaces stay blank" in note for note in listing.notes)
    assert sum(not entry.length for split in listing.splits.values() for entry in split) == 6


def test_2010_without_test(tmp_path: Path) -> None:
    source = official.ilsvrc2010(tmp_path)
    (source / "ILSVRC2010_images_test.tar").unlink()
    listing = listed(source)
    assert list(listing.splits) == ["train", "val"]
    assert any("ILSVRC2010_images_test.tar is not in" in note for note in listing.notes)
    assert "patch_images.tar replaces 5 images, 1 of its images fit none" in listing.notes


def test_what_is_missing_is_told_before_train_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from data_prep.readers import ilsvrc

    source = official.ilsvrc2012(tmp_path)
    (source / "ILSVRC2012_devkit_t12.tar.gz").unlink()
    monkeypatch.setattr(ilsvrc, "images_of", lambda path: pytest.fail("train is read"))
    with pytest.raises(Failure, match="lacks ILSVRC2012_devkit_t12"):
        listed(source)


@pytest.mark.parametrize("whole", [True, False])
def test_synsets_are_halved_by_the_seed(tmp_path: Path, whole: bool) -> None:
    source = official.synsets(tmp_path / "source", whole)
    prepare(source, tmp_path / "out", PrepOptions(size=SIZE, workers=1))
    splits = held(tmp_path / "out")
    assert sorted(splits) == ["test", "train"]
    named = {name: (name.split("/")[1], pixels_of(content)) for name, content in official.images().items()}
    seen = {name: (wnid, pixels) for images in splits.values() for name, wnid, pixels in images}
    assert seen == {name: fact for name, fact in named.items() if name.startswith("train")}
    for images in splits.values():
        assert Counter(wnid for _, wnid, _ in images) == dict.fromkeys(WNIDS, TRAIN // 2)
    prepare(source, tmp_path / "other", PrepOptions(size=SIZE, workers=1, seed=1))
    assert {name for name, _, _ in held(tmp_path / "other")["test"]} != {name for name, _, _ in splits["test"]}
    done = prepare(source, tmp_path / "all", PrepOptions(size=SIZE, workers=1, test_share=0, val_share=0.2))
    assert done.images == {"train": 25, "val": 5}


def test_both_kinds_of_synset_tars_halve_alike(tmp_path: Path) -> None:
    outs = []
    for whole in (True, False):
        source = official.synsets(tmp_path / f"source{whole}", whole)
        prepare(source, tmp_path / f"out{whole}", PrepOptions(size=SIZE, workers=1))
        outs.append(held(tmp_path / f"out{whole}"))
    assert outs[0] == outs[1]


def test_kaggle_with_val_sorted_into_folders(tmp_path: Path) -> None:
    source = official.kaggle(tmp_path)
    whole, val = listed(source), source / "ILSVRC" / "Data" / "CLS-LOC" / "val"
    for entry in whole.splits["val"]:
        folder = val / entry.name.split("/")[1]
        folder.mkdir(exist_ok=True)
        (source / entry.file).rename(folder / entry.name.split("/")[2])
    assert [e[:2] for e in listed(source).splits["val"]] == [e[:2] for e in whole.splits["val"]]


def test_kaggle_given_too_deep(tmp_path: Path) -> None:
    source = official.kaggle(tmp_path)
    with pytest.raises(Failure, match=r"give the folder in which ILSVRC and LOC_val_solution\.csv lie"):
        listed(source / "ILSVRC" / "Data" / "CLS-LOC")


def test_a_table_saved_by_windows(tmp_path: Path) -> None:
    for make, table in ((official.kaggle, "LOC_val_solution.csv"), (official.tiny, "val/val_annotations.txt")):
        source = make(tmp_path / make.__name__)
        before = listed(source).splits
        replaced(source / table, lambda whole: b"\xef\xbb\xbf" + whole.replace(b"\r", b"").replace(b"\n", b"\r\n"))
        assert listed(source).splits == before
    source = official.ilsvrc2010(tmp_path / "2010")
    before = listed(source).splits
    replaced(source / "ILSVRC2010_test_ground_truth.txt", lambda whole: b"\xef\xbb\xbf" + whole)
    assert listed(source).splits == before


def test_what_is_told_of_tiny_imagenet(tmp_path: Path) -> None:
    listing = listed(official.tiny(tmp_path))
    assert listing.class_order == "wnid" and [info.name for info in listing.classes] == list(WORDS.values())
    assert listing.notes == [
        "test has no labels and is left out",
        "6 files are not images and are left out",
        "train: 30 images of 5 classes (published: 100000 of 200)",
        "val: 15 images of 5 classes (published: 10000 of 200)",
    ]


def apple(files: official.Images) -> official.Images:
    """The same as macOS packs them: paths from ".", and an AppleDouble file before each."""
    doubles = {}
    for name, content in files.items():
        doubles[f"./._{name}"] = b"\0\5\x16\7" + bytes(80)
        doubles[f"./{name}"] = content
        doubles[f"__MACOSX/{name}"] = bytes(7)
    return doubles


def test_appledouble_files_in_tars_are_nobodys(tmp_path: Path) -> None:
    named = official.images()
    plain = listed(official.ilsvrc2012(tmp_path / "plain"))
    source = official.ilsvrc2012(tmp_path / "source")
    inner = {
        f"{wnid}.tar": official.tar(
            apple({n: c for n, c in official.part(named, "train").items() if n.startswith(wnid)})
        )
        for wnid in WNIDS
    }
    write(source / "ILSVRC2012_img_train.tar", official.tar(apple(inner)))
    write(source / "ILSVRC2012_img_val.tar", official.tar(apple(official.part(named, "val"))))
    write(source / "._ILSVRC2012_img_train.tar", bytes(80))
    kit = {f"k/{name}": content for name, content in official.devkit_files(named, 2012).items()}
    kit = {"k/data/._meta.mat": b"x", **kit}
    write(source / "ILSVRC2012_devkit_t12.tar.gz", official.tar(kit, mode="w:gz"))
    listing = listed(source)
    assert {split: [e[:2] for e in entries] for split, entries in listing.splits.items()} == {
        split: [e[:2] for e in entries] for split, entries in plain.splits.items()
    }
    assert all(named[entry.name] == listing.fetch(entry) for split in listing.splits.values() for entry in split)
    synsets = tmp_path / "synsets"
    for name, content in inner.items():
        write(synsets / name, content)
        write(synsets / f"._{name}", bytes(80))
    assert [e[:2] for e in listed(synsets).splits["train"]] == [e[:2] for e in plain.splits["train"]]


def test_images_of_classes_that_train_lacks(tmp_path: Path) -> None:
    source = official.ilsvrc2012(tmp_path)
    tars = official.synset_tars(official.images())
    del tars["n02123045.tar"]
    write(source / "ILSVRC2012_img_train.tar", official.tar(tars))
    listing = listed(source)
    assert f"val: {VAL} images are of classes that train lacks and are left out" in listing.notes
    assert len(listing.splits["val"]) == VAL * (len(WNIDS) - 1)
