"""Reading a dataset: what is refused, in one line that names the file, and what is never returned."""

import errno
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from samples import folder_source

from alexnet.data.format import SPLITS, shard_name
from alexnet.data.shards import Dataset, Split, read_shard
from alexnet.errors import Failure
from data_prep import PrepOptions, prepare

SIZE = 16


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    source = folder_source(root / "source", {"train/a": 25, "train/b": 25, "val/a": 3, "val/b": 3}, side=20)
    prepare(source, root / "out", PrepOptions(size=SIZE, workers=1))
    return root / "out"


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "data"))


def flip(path: Path, place: int, mask: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= mask
    path.write_bytes(content)


def test_splits_one_after_the_other(data: Path) -> None:
    dataset = Dataset(data)
    train, val, both = dataset.split("train"), dataset.split("val"), dataset.split("train", "val")
    assert len(both) == len(train) + len(val) and both.name == "train+val"
    assert (both.labels == np.concatenate([train.labels, val.labels])).all()
    assert both.names == [*train.names, *val.names]
    assert (both.image(len(train) - 1) == train.image(len(train) - 1)).all()
    assert (both.image(len(train)) == val.image(0)).all()


def refused(data: Path, match: str, split: str = "train") -> None:
    with pytest.raises(Failure, match=match) as caught:
        Dataset(data).split(split)
    assert "\n" not in str(caught.value)


def test_a_damaged_image_is_named_by_shard_and_place(data: Path) -> None:
    path = data / "train-00001.h5"
    shard = read_shard(path)
    flip(path, shard.offset + 5 * SIZE * SIZE * 3 + 77)
    split = Dataset(data).split("train")
    bad = 16 + 5
    split.image(0)  # that one is whole says nothing of another
    for _ in range(2):
        with pytest.raises(Failure, match=r"train-00001\.h5: image 5 is damaged.*delete this file and run"):
            split.image(bad)
    for index in range(len(split)):
        if index != bad:
            split.image(index)


def test_an_image_is_checked_once_and_then_trusted(data: Path) -> None:
    split = Dataset(data).split("train")
    before = split.image(20).copy()
    path = data / "train-00001.h5"
    with path.open("r+b") as file:
        file.seek(read_shard(path).offset + 4 * SIZE * SIZE * 3)
        file.write(bytes(255 - value for value in before[0, 0].tolist()))
    assert (split.image(20)[0, 0] == 255 - before[0, 0]).all(), "mapped, and not summed again"
    with pytest.raises(Failure):
        Dataset(data).split("train").image(20)


@pytest.mark.parametrize("name", ["train-00000.h5", "stats.h5"])
@pytest.mark.parametrize("length", [0, 1, 100, 600, -1, -300])
def test_truncated(data: Path, name: str, length: int) -> None:
    content = (data / name).read_bytes()
    (data / name).write_bytes(content[:length])
    refused(data, rf"{name} cannot be read or is damaged .*: delete it and run alexctl prep again")


@pytest.mark.parametrize("name", ["train-00001.h5", "stats.h5", "classes.json"])
def test_missing(data: Path, name: str) -> None:
    (data / name).unlink()
    refused(data, rf"{name}.*run alexctl prep")


def test_not_there_at_all(tmp_path: Path) -> None:
    refused(tmp_path / "data", r"there is no dataset .*data: make it with alexctl prep SOURCE --out .*data")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", r"there is no dataset")
    (tmp_path / "images" / "cat").mkdir(parents=True)
    refused(
        tmp_path / "images", r"is not a whole dataset.*: run alexctl prep .*images --out DATA if these are the images"
    )


@pytest.mark.parametrize("name", ["train-00000.h5", "stats.h5"])
def test_foreign(data: Path, name: str) -> None:
    (data / name).write_text("a text of no consequence\n" * 100)
    refused(data, rf"{name} cannot be read or is damaged")
    with h5py.File(data / name, "w") as file:
        file["images"] = np.zeros((3, 4))
        file.attrs["format"] = "something else"
    refused(data, rf"{name} was not written by alexctl prep: move it away")
    shutil.copy(data / ("stats.h5" if name != "stats.h5" else "train-00000.h5"), data / name)
    refused(data, rf"{name} ")


@pytest.mark.parametrize("name", ["train-00000.h5", "stats.h5"])
def test_newer(data: Path, name: str) -> None:
    with h5py.File(data / name, "r+") as file:
        file.attrs["version"] = 2
    refused(data, rf"{name} has format version 2, this alexctl reads up to 1: install a newer one")


def test_a_split_that_is_not_there(data: Path) -> None:
    refused(data, r"has no images in split 'test': it has train, val", "test")
    refused(data, r"has no images in split 'nonsense'", "nonsense")


def relabel(value: int) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        import zlib

        labels = file["labels"][:]
        labels[3] = value
        file["labels"][:] = labels
        file["labels"].attrs["crc32"] = np.uint32(zlib.crc32(labels.tobytes()))

    return change


@pytest.mark.parametrize("value", [-1, 2, 2**31 - 1])
def test_labels_out_of_range(data: Path, value: int) -> None:
    with h5py.File(data / "train-00000.h5", "r+") as file:
        relabel(value)(file)
    refused(data, r"train-00000\.h5 has a label outside 0\.\.1: delete it")


@pytest.mark.parametrize("key", ["labels", "checksums", "names"])
def test_small_arrays_are_guarded(data: Path, key: str) -> None:
    with h5py.File(data / "train-00000.h5", "r+") as file:
        file[key][2] = file[key][3] if key != "labels" else 1 - file[key][2]
    with pytest.raises(Failure, match=rf"train-00000\.h5 .*the checksum of {key} does not agree"):
        _ = Dataset(data).split("train").names


def test_shards_of_another_dataset_or_place(data: Path, whole: Path, tmp_path: Path) -> None:
    source = folder_source(tmp_path / "source", {"train/a": 20, "train/b": 30, "val/a": 3}, side=20)
    prepare(source, tmp_path / "other", PrepOptions(size=SIZE, workers=1))
    shutil.copy(tmp_path / "other" / "train-00000.h5", data)
    refused(data, r"train-00000\.h5 is of another dataset")
    shutil.copy(whole / "train-00001.h5", data / "train-00000.h5")
    refused(data, r"train-00000\.h5 is of another dataset")
    shutil.copy(whole / "val-00000.h5", data / "train-00000.h5")
    refused(data, r"train-00000\.h5 is of another dataset")


def test_classes_are_those_of_the_statistics(data: Path) -> None:
    path = data / "classes.json"
    classes = json.loads(path.read_text())
    classes[0]["name"], classes[1]["name"] = classes[1]["name"], classes[0]["name"]
    path.write_text(json.dumps(classes))
    refused(data, r"classes\.json .*it is not the one stats\.h5 was made with")


def test_threads_read_the_same(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alexnet.data.shards.MAPS_KEPT", 1)  # every change of shard maps anew
    dataset = Dataset(whole)
    expected = [Dataset(whole).split("train").image(index).copy() for index in range(50)]
    found: list[str] = []

    def read(seed: int) -> None:
        split = dataset.split("train")
        for index in np.random.default_rng(seed).integers(0, 50, 400):
            if not (split.image(int(index)) == expected[index]).all():
                found.append(f"image {index}")
        if len(split.names) != 50:
            found.append("names")

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not found


def test_views_outlive_their_map(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alexnet.data.shards.MAPS_KEPT", 1)
    split = Dataset(whole).split("train")
    views = [split.image(index) for index in (0, 16, 32, 49)]
    again = [Dataset(whole).split("train").image(index) for index in (0, 16, 32, 49)]
    assert all((a == b).all() for a, b in zip(views, again, strict=True))


def test_more_shards_than_files_may_be_open(whole: Path) -> None:
    import resource

    shards = [read_shard(whole / shard_name("train", number)) for number in (0, 1, 2)] * 400
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        split = Split("train", shards)
        for start in range(0, len(split), 16):
            split.image(start)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("index", [-1, 50, 51])
def test_places_outside(whole: Path, index: int) -> None:
    with pytest.raises(IndexError):
        Dataset(whole).split("train").image(index)


def test_counts(whole: Path) -> None:
    assert Dataset(whole).counts == dict(zip(SPLITS, (50, 6, 0), strict=True))


@pytest.fixture
def unmapped(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    monkeypatch.setattr("mmap.mmap", refuse)


def test_images_are_read_where_no_file_can_be_mapped(whole: Path, unmapped: None) -> None:
    split = Dataset(whole).split("train")
    for index in np.random.default_rng(0).permutation(len(split)).tolist():
        shard, row = split.shards[index // 16], index % 16
        with h5py.File(shard.path) as file:
            expected = file["images"][row]
        found = split.image(index)
        assert (found == expected).all() and not found.flags.writeable


def test_damage_is_found_where_no_file_can_be_mapped(data: Path, unmapped: None) -> None:
    split = Dataset(data).split("train")
    flip(data / "train-00001.h5", split.shards[1].offset)
    with pytest.raises(Failure, match=r"train-00001\.h5: image 0 is damaged"):
        split.image(16)
    (data / "train-00002.h5").write_bytes((data / "train-00002.h5").read_bytes()[:-1])
    with pytest.raises(Failure, match=r"train-00002\.h5 cannot be read or is damaged"):
        split.image(32 + 15)


@pytest.mark.parametrize("name", ["train-00001.h5", "stats.h5", "classes.json"])
def test_a_refusal_of_the_system_is_not_taken_for_damage(
    whole: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many open files, no permission, a server that is away: never "delete it"."""

    def refusing(function: Callable[..., object]) -> Callable[..., object]:
        def call(path: object, *arguments: object, **options: object) -> object:
            if Path(str(path)).name == name:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return function(path, *arguments, **options)

        return call

    monkeypatch.setattr(h5py, "File", refusing(h5py.File))
    monkeypatch.setattr(Path, "read_bytes", refusing(Path.read_bytes))
    with pytest.raises(Failure, match=rf"{name} cannot be read \(Too many open files\): fix that") as caught:
        Dataset(whole).split("train")
    assert "delete" not in str(caught.value)
