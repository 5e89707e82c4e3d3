"""Images that cannot be read: a few are left out and listed, too many are an error."""

import json
from pathlib import Path

import numpy as np
import pytest
from preparing import prep, shown
from samples import files_of, folder_source, write

from alexnet.data.format import SPLITS
from alexnet.data.shards import Dataset
from alexnet.errors import Failure


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
