"""`alexctl prep` once more: what is whole is left alone, what is lost is made anew, what is another's is refused."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from preparing import prep
from samples import encoded, files_of, folder_source, photo, write

from alexnet.data.shards import Dataset
from alexnet.errors import Failure


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
