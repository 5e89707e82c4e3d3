"""The whole of `alexctl prep`: what it writes, what it refuses."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from preparing import SIZE, prep, shown
from samples import GROCERY, files_of, folder_source, idx_source, write

from alexnet.data.decode import square
from alexnet.data.format import SPLITS
from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from data_prep import Prepared, PrepOptions, prepare
from data_prep.readers import recognise


def test_every_image_comes_back_with_its_label(source: Path, tmp_path: Path) -> None:
    done = prep(source, tmp_path / "out")
    assert done == Prepared(tmp_path / "out", {"train": 58, "val": 9, "test": 6}, 3, 0, 73)
    dataset = Dataset(tmp_path / "out")
    assert dataset.size == SIZE and dataset.class_order == "sorted"
    assert [info.id for info in dataset.classes] == ["ant", "bee", "cat"]
    seen = []
    for name in SPLITS:
        split = dataset.split(name)
        assert len(split) == len(split.labels) == len(split.names) == done.images[name]
        assert split.labels.dtype == np.int32
        for index, (label, file) in enumerate(zip(split.labels, split.names, strict=True)):
            assert dataset.classes[label].id == file.split("/")[1]
            image = split.image(index)
            assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8 and not image.flags.writeable
            assert (image == shown(source / file)).all()
        seen += split.names
    assert sorted(seen) == sorted(path.relative_to(source).as_posix() for path in source.rglob("*.png"))
    assert dataset.split("val").names == sorted(dataset.split("val").names)
    assert dataset.split("train").names != sorted(dataset.split("train").names)


def test_statistics_are_those_of_train_alone(source: Path, tmp_path: Path) -> None:
    prep(source, tmp_path / "out")
    images = np.array([shown(path) for path in (source / "train").rglob("*.png")], np.float64)
    dataset = Dataset(tmp_path / "out")
    assert dataset.mean.dtype == np.float32
    assert np.allclose(dataset.mean, images.mean(axis=0), rtol=1e-6)
    covariance = np.cov(images.reshape(-1, 3).T, bias=True)
    assert np.allclose(dataset.covariance, covariance, rtol=1e-10)
    assert (np.diff(dataset.eigenvalues) <= 0).all()
    rebuilt = dataset.eigenvectors @ np.diag(dataset.eigenvalues) @ dataset.eigenvectors.T
    assert np.allclose(rebuilt, covariance, rtol=1e-9)


def test_the_files_are_as_designed(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prep(source, out)
    with h5py.File(out / "stats.h5") as file:
        assert file["mean"].shape == (SIZE, SIZE, 3) and file["mean"].dtype == np.float32
        assert {key: file["pca"][key].shape for key in file["pca"]} == {
            "covariance": (3, 3),
            "eigenvalues": (3,),
            "eigenvectors": (3, 3),
        }
    with h5py.File(out / "train-00000.h5") as file:
        images = file["images"]
        assert images.dtype == np.uint8 and images.chunks is None and images.shape == (16, SIZE, SIZE, 3)
        mapped = np.memmap(out / "train-00000.h5", np.uint8, "r", images.id.get_offset(), images.shape)
        assert (mapped == images[:]).all() and images[:].any()
        assert file["labels"].dtype == np.int32 and file["names"][0].startswith(b"train/")
        assert file["checksums"].shape == (16,)
        assert file.attrs["version"] == 1 and file.attrs["image_size"] == SIZE
        assert file.attrs["class_order"] == b"sorted"
    assert json.loads((out / "classes.json").read_text())[1] == {"index": 1, "id": "bee", "name": "bee"}
    names = ["classes.json", "prep.json", "skipped.jsonl", "stats.h5", "test-00000.h5"]
    assert sorted(files_of(out)) == [*names, *(f"train-{n:05d}.h5" for n in range(4)), "val-00000.h5"]


def test_workers_and_times_change_no_byte(source: Path, tmp_path: Path) -> None:
    prep(source, tmp_path / "one")
    done = prep(source, tmp_path / "two", workers=3)
    assert done.made == 73
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"size": 0}, "--size 0"),
        ({"workers": 0}, "--workers 0"),
        ({"seed": -1}, "--seed -1"),
        ({"val_share": 1.0}, "--val-share 1.0"),
        ({"test_share": -0.5}, "--test-share -0.5"),
        ({"max_skipped": -0.1}, "--max-skipped -0.1"),
        ({"limit": 0}, "--limit 0"),
        ({"limit": {"val": 0}}, "--limit"),
        ({"limit": {"trian": 5}}, "--limit names trian"),
        ({"form": "nonsense"}, "--form nonsense"),
    ],
)
def test_senseless_parameters(source: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(Failure, match=message):
        prep(source, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_may_not_be_listed(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def closed(path: str) -> Any:
        if str(path).endswith("bee"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(Failure, match=r"train/bee cannot be listed \(Permission denied\): fix that"):
        prep(source, tmp_path / "out")


def test_each_file_is_on_the_disk_before_it_has_its_name(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[tuple[str, str]] = []
    sync, rename = os.fsync, Path.replace

    def note_sync(handle: int) -> None:
        events.append(("sync", Path(f"/proc/self/fd/{handle}").readlink().name))
        sync(handle)

    def note_rename(part: Path, path: Path) -> Path:
        events.append(("rename", f"{part.name} {path.name}"))
        return rename(part, path)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_rename)
    prep(source, tmp_path / "out")
    names = []
    for first, second, third in zip(*[iter(events)] * 3, strict=True):
        part, name = second[1].split()
        assert part.startswith(".part-") and (first, third) == (("sync", part), ("sync", "out"))
        names.append(name)
    assert names[0] == "prep.json" and names[-2:] == ["classes.json", "stats.h5"]
    assert sorted(names) == sorted(files_of(tmp_path / "out"))


def test_names_in_any_bytes(tmp_path: Path) -> None:
    broken = os.fsdecode(b"caf\xe9")
    source = folder_source(tmp_path / "source", {"\u732b": 3, broken: 3})
    write(source / broken / "0000.png", b"")
    assert prep(source, tmp_path / "out", max_skipped=0.5).skipped == 1
    dataset = Dataset(tmp_path / "out")
    assert {info.id for info in dataset.classes} == {"\u732b", broken}
    for name in ("train", "val"):
        split = dataset.split(name)
        for index, file in enumerate(split.names):
            assert file.startswith(dataset.classes[split.labels[index]].id + "/")
            assert (split.image(index) == shown(source / file)).all()
    assert json.loads((tmp_path / "out" / "skipped.jsonl").read_text())["class"] == broken


def test_too_few_images_or_classes(tmp_path: Path) -> None:
    one = folder_source(tmp_path / "one", {"a": 5})
    with pytest.raises(Failure, match="images of one class only"):
        prep(one, tmp_path / "out")
    (tmp_path / "none" / "a").mkdir(parents=True)
    with pytest.raises(Failure, match="there are no images"):
        prep(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_idx_through_and_through(tmp_path: Path) -> None:
    source = idx_source(tmp_path / "source", 200, 60)
    done = prep(source, tmp_path / "out", limit=5)
    assert done.images == {"train": 50, "val": 20, "test": 50} and done.classes == 10
    dataset = Dataset(tmp_path / "out")
    listing = recognise(source).listing(source)
    entries = {entry.name: entry for entries in listing.splits.values() for entry in entries}
    expected = np.zeros((SIZE, SIZE, 3), np.uint8)
    for name in SPLITS:
        split = dataset.split(name)
        assert all(file.startswith("test" if name == "test" else "train") for file in split.names)
        for index, file in enumerate(split.names):
            assert split.labels[index] == entries[file].label
            square(listing.fetch(entries[file]), expected)
            assert (split.image(index) == expected).all()


def test_a_source_file_that_vanishes(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = source / "train" / "bee" / "0007.png"
    monkeypatch.setattr(sys.modules["data_prep.prepare"], "_check_room", lambda *_: victim.unlink())
    with pytest.raises(Failure, match=r"train/bee/0007\.png cannot be read \(No such file.*restore it"):
        prep(source, tmp_path / "out")
    assert not list((tmp_path / "out").glob(".part-*"))


def test_grocery_photographs(tmp_path: Path) -> None:
    if GROCERY.exists():
        shutil.unpack_archive(GROCERY, tmp_path)
    else:
        counts = {f"{split}/kind{kind:02}": count for kind in range(81) for split, count in (("train", 7), ("val", 2))}
        folder_source(tmp_path / "grocery", counts)
    done = prep(tmp_path / "grocery", tmp_path / "out", size=64, limit={"train": 6, "val": 2}, workers=2)
    assert done.classes == 81 and done.skipped == 0 and done.images["train"] == 486
    train = Dataset(tmp_path / "out").split("train")
    assert sorted(set(train.labels.tolist())) == list(range(81))
    assert all(train.image(index).std() > 5 for index in range(0, 486, 9))


@pytest.mark.parametrize("left, workers", [(2**40, 6), (450 * 2**20, 3), (2**20, 1)])
def test_workers_are_as_many_as_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], left: int, workers: int
) -> None:
    """Each holds a shard: 64 cores of a container with 4 GiB are not 64 workers."""
    module, asked = sys.modules["data_prep.prepare"], []
    source = folder_source(tmp_path / "source", {"a": 80, "b": 80})
    monkeypatch.setattr(module, "threads", lambda: 6)
    monkeypatch.setattr(module, "available", lambda: left)
    monkeypatch.setattr(module, "_make", lambda out, jobs, workers, *_: asked.append(workers))
    with pytest.raises(Failure, match="nothing is left to train on"):
        prepare(source, tmp_path / "out", PrepOptions(size=256))
    assert asked == [workers]
    assert ("of 6 workers: there is no memory for more" in capsys.readouterr().err) == (workers < 6)
    with pytest.raises(Failure, match="nothing is left to train on"):
        prepare(source, tmp_path / "out", PrepOptions(size=256, workers=5))
    assert asked[1:] == [5], "who asks for more gets them"
