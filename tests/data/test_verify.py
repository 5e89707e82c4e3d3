"""`alexctl doctor DATA` and `alexctl show DATA`: every damage is found and named; a picture of what is there."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from samples import folder_source, write

from alexnet.cli.doctor import check
from alexnet.data.shards import Dataset
from alexnet.data.verify import verify
from alexnet.errors import Failure
from alexnet.figures.dataset import draw, spread
from data_prep import PrepOptions, prepare

SIZE = 24


@pytest.fixture
def out(tmp_path: Path) -> Path:
    source = folder_source(tmp_path / "source", {"train/ant": 60, "train/bee": 50, "val/bee": 20})
    write(source / "train" / "ant" / "0007.png", b"junk")
    write(source / "train" / "bee" / "0009.png", b"")
    prepare(source, tmp_path / "out", PrepOptions(size=SIZE, workers=1))
    return tmp_path / "out"


def change(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x20
    path.write_bytes(content)


def found(out: Path) -> list[tuple[str, int | None]]:
    return [(each.file.name, each.row) for each in verify(Dataset(out), lambda count, note="": None).damage]


def test_a_whole_dataset(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    advanced = []
    findings = verify(Dataset(out), lambda count, note="": advanced.append(count))
    assert not findings.damage and sum(advanced) == 128
    assert {split: counts.tolist() for split, counts in findings.per_class.items()} == {
        "train": [59, 49],
        "val": [0, 20],
    }
    assert findings.skipped.total() == 2 and findings.skipped["the file is empty"] == 1
    check(out, as_json=True)
    said = capsys.readouterr()
    assert "train        108 images in 7 files, 49 to 59 per class" in said.out
    assert "sorted: 0 is ant, 1 is bee" in said.out and "2 unreadable images; not an image of" in said.out
    *_, line, last = said.out.splitlines()
    assert line == f"{out} is whole: every checksum agrees"
    assert json.loads(last) == {
        "dataset": str(out),
        "size": SIZE,
        "classes": 2,
        "class_order": "sorted",
        "images": {"train": 108, "val": 20},
        "skipped": 2,
        "damage": [],
    }


@pytest.mark.parametrize("more", [1, -1])
def test_a_count_that_the_files_do_not_hold_is_told(out: Path, more: int) -> None:
    with h5py.File(out / "stats.h5", "r+") as file:
        file.attrs["images"] = file.attrs["images"] + np.array([0, more, 0])
    damage = verify(Dataset(out), lambda count, note="": None).damage
    assert [str(each) for each in damage] == [
        f"{out / 'stats.h5'} counts {20 + more} val images, the files hold 20",
    ]


@pytest.mark.parametrize("row", [0, 7, 15])
def test_a_damaged_image_is_named(out: Path, row: int, capsys: pytest.CaptureFixture[str]) -> None:
    shard = Dataset(out).split("train").shards[2]
    change(shard.path, shard.offset + row * SIZE * SIZE * 3 + 11)
    assert found(out) == [("train-00002.h5", row)]
    with pytest.raises(Failure, match=rf"^{out} is damaged: delete {shard.path} and run alexctl prep again"):
        check(out, as_json=True)
    said = capsys.readouterr()
    assert f"damaged: {shard.path}: image {row}, made of {shard.names()[row]}: its checksum" in said.out
    assert json.loads(said.out.splitlines()[-1])["damage"][0]["row"] == row


def test_every_damage_is_found_at_once(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = Dataset(out).split("train").shards
    for row in (1, 2):
        change(shards[0].path, shards[0].offset + row * SIZE * SIZE * 3)
    shards[1].path.unlink()
    shards[3].path.write_bytes(shards[2].path.read_bytes())
    shards[4].path.write_bytes(shards[4].path.read_bytes()[:-100])
    change(out / "val-00000.h5", 100)
    expected = [("train-00000.h5", 1), ("train-00000.h5", 2)]
    expected += [(f"train-0000{number}.h5", None) for number in (1, 3, 4)] + [("val-00000.h5", None)]
    assert found(out) == expected
    with pytest.raises(Failure, match=r"delete the 4 files named above and run alexctl prep again"):
        check(out, as_json=False)
    said = capsys.readouterr().out
    assert "train-00001.h5 is missing" in said and "train-00003.h5 is of another dataset" in said


def test_any_changed_byte_that_is_read_is_found(out: Path) -> None:
    """Of a shard's arrays and pixels; HDF5 leaves gaps between them, which nothing reads."""
    path = out / "train-00001.h5"
    content, hits = path.read_bytes(), 0
    places = np.random.default_rng(0).integers(len(content), size=60)
    for at in places.tolist():
        change(path, at)
        hits += bool(found(out))
        path.write_bytes(content)
    gaps = sum(content[at] == 0 for at in places.tolist())
    assert hits >= len(places) - gaps and hits > 20


@pytest.mark.parametrize("name", ["stats.h5", "classes.json"])
@pytest.mark.parametrize("harm", ["gone", "altered"])
def test_the_heads_of_a_dataset(out: Path, name: str, harm: str) -> None:
    if harm == "gone":
        (out / name).unlink()
    else:
        change(out / name, 200 if name == "stats.h5" else 20)
    with pytest.raises(Failure, match=re.escape(name)):
        check(out, as_json=False)


def test_the_command(out: Path, tmp_path: Path) -> None:
    """Exit codes and one line; a folder that is no dataset, a file, nothing."""
    (tmp_path / "empty").mkdir()
    change(out / "val-00001.h5", -1)
    for arguments, code, words in [
        (["doctor", out], 1, "is damaged: delete"),
        (["doctor", tmp_path / "empty"], 1, "is not a whole dataset"),
        (["doctor", tmp_path / "nowhere"], 1, "there is no dataset"),
        (["show", tmp_path / "nowhere"], 1, "there is no dataset"),
        (["show", out], 0, f"drawn: {out / 'show.png'}"),
        (["show", out, "--out", tmp_path / "no" / "such.png"], 1, "cannot write this picture"),
    ]:
        call = [sys.executable, "-m", "alexnet", *map(str, arguments)]
        done = subprocess.run(call, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True)
        last = done.stderr.decode().splitlines()[-1]
        assert done.returncode == code and words in last and b"Traceback" not in done.stderr, (arguments, done)


def test_the_picture_shows_samples_mean_and_axes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    kept = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **b: (kept.append(figure), save(figure, *a, **b)))
    data = Dataset(out)
    draw(data, out / "show.png")
    with Image.open(io.BytesIO((out / "show.png").read_bytes())) as image:
        assert image.width > 1800 and image.height > 1200
    shown = [axes.images[0].get_array() for axes in kept[0].axes]
    labels = [axes.get_xlabel() for axes in kept[0].axes]
    images, wanted = spread(data.split("train"), 48)
    assert len(shown) == 48 + 1 + 3 and len(images) == 48
    assert all((shown[place] == image).all() for place, image in enumerate(images))
    assert labels[:48] == [data.classes[label].name for label in wanted] and set(wanted) == {0, 1}
    assert np.abs(shown[48] - data.mean).max() <= 0.5
    for strip, value, axis in zip(shown[49:], data.eigenvalues, data.eigenvectors.T, strict=True):
        centre, off = strip[0, 128].astype(float), strip[0, 128 + 51].astype(float)  # 51 of 255: one deviation
        assert np.abs(centre - data.mean.mean(axis=(0, 1))).max() < 2
        assert np.abs(off - centre - np.sqrt(value) * axis).max() < 2
