"""`prep --part i/n`: several preps at once, each its shards, and a last one that joins."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from samples import files_of, folder_source, write

from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from alexnet.files import PART
from data_prep import Part, PrepOptions, prepare

SIZE = 24
HOLDER = """
import sys
from pathlib import Path
from data_prep.claim import claimed
from data_prep.options import Part
part = Part.parse(sys.argv[2])
with claimed(Path(sys.argv[1]), part.span(int(sys.argv[3])), part.count == 1):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    counts = {"train/ant": 60, "train/bee": 50, "val/bee": 20, "test/ant": 18}
    root = folder_source(tmp_path_factory.mktemp("parts") / "source", counts)
    write(root / "train" / "ant" / "0007.png", b"junk")
    return root


@pytest.fixture(scope="module")
def straight(source: Path) -> dict[str, bytes]:
    out = source.parent / "straight"
    prepare(source, out, PrepOptions(size=SIZE, workers=1))
    return files_of(out)


def make(source: Path, out: Path, part: str | None) -> int:
    return prepare(source, out, PrepOptions(size=SIZE, workers=1, part=Part.parse(part) if part else None)).made


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_parts_in_one_folder_are_joined(
    source: Path, straight: dict[str, bytes], tmp_path: Path, order: tuple[int, ...]
) -> None:
    made = [make(source, tmp_path / "out", f"{number}/3") for number in order]
    assert sum(made) == 148 and min(made) > 20
    assert "stats.h5" not in files_of(tmp_path / "out")
    assert make(source, tmp_path / "out", None) == 0, "the joining call decodes nothing"
    assert files_of(tmp_path / "out") == straight


def test_parts_of_several_folders_put_together(source: Path, straight: dict[str, bytes], tmp_path: Path) -> None:
    for number in (1, 2):
        make(source, tmp_path / str(number), f"{number}/2")
    assert not set(files_of(tmp_path / "1")) & set(files_of(tmp_path / "2")) - {"prep.json"}
    for number in (1, 2):
        shutil.copytree(tmp_path / str(number), tmp_path / "out", dirs_exist_ok=True)
    assert make(source, tmp_path / "out", None) == 0
    assert files_of(tmp_path / "out") == straight


def test_a_part_that_never_came_is_made_by_the_join(source: Path, straight: dict[str, bytes], tmp_path: Path) -> None:
    make(source, tmp_path / "out", "2/2")
    assert 0 < make(source, tmp_path / "out", None) < 148
    assert files_of(tmp_path / "out") == straight


@pytest.mark.parametrize("count", [1, 2, 5, 50])
def test_the_parts_cover_every_shard_once(count: int) -> None:
    spans = [Part(number, count).span(23) for number in range(1, count + 1)]
    assert [shard for span in spans for shard in span] == list(range(23))


@pytest.mark.parametrize(
    "held, asked, refused",
    [
        ("1/2", "2/2", False),
        ("2/4", "1/4", False),
        ("1/2", "1/2", True),
        ("1/2", "1/4", True),
        ("2/4", "1/2", True),
        ("2/2", None, True),
        ("1/1", "2/2", True),
    ],
)
def test_only_claims_that_overlap_are_refused(
    source: Path, straight: dict[str, bytes], tmp_path: Path, held: str, asked: str | None, refused: bool
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    shards = sum(name.startswith(("train", "val", "test")) for name in straight)
    command = [sys.executable, "-c", HOLDER, str(out), held, str(shards)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        if refused:
            with pytest.raises(Failure, match=r"another prep is writing to .*: wait for it"):
                make(source, out, asked)
            assert not files_of(out)
        else:
            assert make(source, out, asked) > 0
        holder.communicate()


def test_a_part_leaves_what_others_are_writing(source: Path, straight: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    ours, theirs = out / f"{PART}77-train-00000.h5", out / f"{PART}77-val-00000.h5"
    for rest in (ours, theirs):
        write(rest, b"half")
    make(source, out, "1/4")
    assert theirs.exists() and not ours.exists()
    make(source, out, None)
    assert not theirs.exists()
    assert files_of(out) == straight


def test_a_part_of_another_dataset_is_refused(source: Path, tmp_path: Path) -> None:
    make(source, tmp_path / "out", "1/2")
    with pytest.raises(Failure, match=r"holds another dataset"):
        prepare(source, tmp_path / "out", PrepOptions(size=SIZE + 1, workers=1, part=Part(2, 2)))


def test_a_part_with_too_many_unreadable_images(source: Path, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"1 images of this part .*more than 0% of all 148 .*ant/0007\.png, not an image"):
        for number in (1, 2):
            prepare(
                source, tmp_path / "out", PrepOptions(size=SIZE, workers=1, part=Part(number, 2), max_skipped=0.001)
            )


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/", "/2", "a/b", "-1/2", "1/2/3", "1.0/2"])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(Failure, match=re.escape(f"--part {text}: write which of how many")):
        Part.parse(text)


def test_a_finished_dataset_stays_whole_under_a_part(source: Path, tmp_path: Path) -> None:
    make(source, tmp_path / "out", None)
    make(source, tmp_path / "out", "1/2")
    assert Dataset(tmp_path / "out").counts["train"] == 109
