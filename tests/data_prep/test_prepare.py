"""The whole of `alexctl prep`: what it writes, what it refuses, what it leaves out, how it goes on."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from samples import GROCERY, encoded, files_of, folder_source, idx_source, photo, write

from alexnet.data.decode import square
from alexnet.data.format import SPLITS
from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from data_prep import Prepared, PrepOptions, prepare
from data_prep.readers import recognise

SIZE = 24


@pytest.fixture
def source(tmp_path: Path) -> Path:
    counts = {"train/ant": 30, "train/bee": 25, "train/cat": 3, "val/bee": 5, "val/cat": 4, "test/ant": 6}
    return folder_source(tmp_path / "source", counts)


def prep(source: Path, out: Path, **options: Any) -> Prepared:
    return prepare(source, out, PrepOptions(**({"size": SIZE, "workers": 1} | options)))


def shown(path: Path) -> np.ndarray:
    out = np.zeros((SIZE, SIZE, 3), np.uint8)
    square(path.read_bytes(), out)
    return out


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


def test_a_whole_dataset_is_left_alone(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = prep(source, out)
    stamps = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again = prep(source, out, max_skipped=0.5)
    assert again.made == 0 and again.images == first.images
    assert stamps == {path: path.stat().st_mtime_ns for path in out.iterdir()}


@pytest.mark.parametrize("name", ["train-00002.h5", "val-00000.h5", "stats.h5", "classes.json", "skipped.jsonl"])
@pytest.mark.parametrize("harm", ["gone", "cut", "empty", "altered", "swapped"])
def test_what_is_lost_or_damaged_is_made_anew(source: Path, tmp_path: Path, name: str, harm: str) -> None:
    out = tmp_path / "out"
    prep(source, out)
    straight = files_of(out)
    content = straight[name]
    path = out / name
    if harm == "gone":
        path.unlink()
    else:
        middle = min(len(content) // 2, 300)
        damaged = content[:middle] + bytes(255 - byte for byte in content[middle : middle + 9])
        swapped = straight["train-00001.h5"]
        cut = content[: len(content) * 2 // 3]
        path.write_bytes({"cut": cut, "empty": b"", "altered": damaged, "swapped": swapped}[harm])
    prep(source, out)
    assert files_of(out) == straight


def test_while_a_shard_is_made_anew_the_dataset_is_not_whole(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    prep(source, out)
    (out / "val-00000.h5").unlink()

    def fail(*_: object) -> None:
        raise Failure("the worker fails")

    monkeypatch.setattr(sys.modules["data_prep.prepare"], "_make", fail)
    with pytest.raises(Failure, match="the worker fails"):
        prep(source, out)
    with pytest.raises(Failure, match=r"stats\.h5 is missing"):
        Dataset(out)


def test_a_rest_of_a_killed_run_is_swept_away(source: Path, tmp_path: Path) -> None:
    prep(source, tmp_path / "straight")
    out = tmp_path / "out"
    write(out / ".part-123-train-00000.h5", b"half")
    prep(source, out)
    assert files_of(out) == files_of(tmp_path / "straight")


def changed_time(source: Path) -> None:
    os.utime(source / "train" / "ant" / "0001.png", (5, 5))


def changed_size(source: Path) -> None:
    write(source / "train" / "ant" / "0001.png", encoded(photo(9, 9, 1)))


def added(source: Path) -> None:
    shutil.copy(source / "train" / "ant" / "0001.png", source / "val" / "bee" / "new.png")


@pytest.mark.parametrize("change", [changed_time, changed_size, added])
@pytest.mark.parametrize("finished", [True, False])
def test_a_changed_source_is_noticed(source: Path, tmp_path: Path, change: Any, finished: bool) -> None:
    out = tmp_path / "out"
    prep(source, out)
    if not finished:
        (out / "stats.h5").unlink()
    before = files_of(out)
    change(source)
    with pytest.raises(Failure, match=r"holds another dataset: .*give another --out, or delete"):
        prep(source, out)
    assert files_of(out) == before


@pytest.mark.parametrize("options", [{"size": 25}, {"seed": 1}, {"limit": 3}])
def test_other_parameters_are_noticed(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    prep(source, tmp_path / "out")
    with pytest.raises(Failure, match=r"holds another dataset"):
        prep(source, tmp_path / "out", **options)


def test_another_source_is_refused_and_named(source: Path, tmp_path: Path) -> None:
    prep(source, tmp_path / "out")
    other = folder_source(tmp_path / "other", {"x": 4, "y": 4})
    with pytest.raises(Failure, match=rf"made from {source} \(73 images, size 24\), and {other} .*\(8 images"):
        prep(other, tmp_path / "out")


def test_a_folder_of_other_things_is_not_written_into(source: Path, tmp_path: Path) -> None:
    write(tmp_path / "home" / "thesis.txt", b"x")
    with pytest.raises(Failure, match=r"is not empty and is not a dataset"):
        prep(source, tmp_path / "home")
    with pytest.raises(Failure, match=r"thesis\.txt cannot be written"):
        prep(source, tmp_path / "home" / "thesis.txt")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.txt"]
    write(tmp_path / "out" / "prep.json", b"{")
    with pytest.raises(Failure, match=r"prep\.json is damaged"):
        prep(source, tmp_path / "out")


def test_unreadable_images_are_left_out_and_listed(source: Path, tmp_path: Path) -> None:
    bad = {
        "train/ant/0003.png": (b"", "the file is empty"),
        "val/bee/0002.png": (b"junk", "not an image of a known form (JPEG, PNG, WEBP, BMP)"),
    }
    for name, (content, _) in bad.items():
        write(source / name, content)
    done = prep(source, tmp_path / "out")
    assert done.skipped == 2 and done.images == {"train": 57, "val": 8, "test": 6}
    lines = [json.loads(line) for line in (tmp_path / "out" / "skipped.jsonl").read_text().splitlines()]
    assert lines == [
        {"split": name.split("/")[0], "name": name, "class": name.split("/")[1], "reason": reason}
        for name, (_, reason) in bad.items()
    ]
    dataset = Dataset(tmp_path / "out")
    for split in SPLITS:
        held = dataset.split(split)
        assert not set(held.names) & set(bad)
        for index, file in enumerate(held.names):
            assert (held.image(index) == shown(source / file)).all()
            assert dataset.classes[held.labels[index]].id == file.split("/")[1]
    images = np.array([shown(source / file) for file in dataset.split("train").names], np.float64)
    assert np.allclose(dataset.mean, images.mean(axis=0), rtol=1e-6)
    straight = files_of(tmp_path / "out")
    (tmp_path / "out" / "train-00001.h5").unlink()
    assert prep(source, tmp_path / "out").skipped == 2
    assert files_of(tmp_path / "out") == straight


@pytest.mark.parametrize("workers", [1, 2])
def test_too_many_unreadable_images_are_an_error(source: Path, tmp_path: Path, workers: int) -> None:
    prep(source, tmp_path / "good")
    order = Dataset(tmp_path / "good").split("train").names
    for place in (0, 1, 2, 16, 32, 33, 48, 49):  # 8 of 73: 11 %; three in the first shard of 16
        write(source / order[place], b"junk")
    out = tmp_path / "out"
    before = None
    for _ in range(2):
        with pytest.raises(Failure, match=r"of 73 images cannot be decoded, more than 5% \(.*skipped\.jsonl"):
            prep(source, out, workers=workers)
        assert before in (None, files_of(out)), "again at once"
        before = files_of(out)
        assert (out / "skipped.jsonl").read_text().count("\n") >= 4
        with pytest.raises(Failure, match=r"is not a whole dataset, stats\.h5 is missing"):
            Dataset(out)
    if workers == 1:
        assert len(before) == 4, "prep.json, skipped.jsonl and two shards"
        (out / "train-00001.h5").unlink()
        with pytest.raises(Failure, match=r"more than 5%"):
            prep(source, out, workers=1)
        assert files_of(out) == before, "the skips of the shards that are there count from the start"
    assert prep(source, out, max_skipped=0.11).skipped == 8
    assert Dataset(out).counts == {"train": 50, "val": 9, "test": 6}


def test_nothing_readable_to_train_on(tmp_path: Path) -> None:
    source = folder_source(tmp_path / "source", {"train/a": 1, "train/b": 1, "val/a": 30})
    for name in ("a", "b"):
        write(source / "train" / name / "0000.png", b"junk")
    with pytest.raises(Failure, match=r"nothing is left to train on"):
        prep(source, tmp_path / "out", max_skipped=1)


def test_a_shard_with_no_readable_image(tmp_path: Path) -> None:
    source = folder_source(tmp_path / "source", {"train/a": 9, "train/b": 9, "val/a": 2})
    for number in range(2):
        write(source / "val" / "a" / f"{number:04d}.png", b"junk")
    done = prep(source, tmp_path / "out", max_skipped=0.2)
    assert done.images == {"train": 18}
    with pytest.raises(Failure, match=r"has no images in split 'val': it has train"):
        Dataset(tmp_path / "out").split("val")
    assert prep(source, tmp_path / "out", max_skipped=0.2).made == 0


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
