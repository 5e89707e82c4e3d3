"""The classes of a source: in which order, which of them, called what; and its files' MD5."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import official
import pytest
from official import IDS, WNIDS, WORDS
from preparing import listed
from samples import write

from alexnet.errors import Failure
from data_prep import PrepOptions
from data_prep.readers import FORMS
from data_prep.source import open_source


@pytest.mark.parametrize("make", [official.ilsvrc2012, official.ilsvrc2010])
def test_class_orders(make: Callable[[Path], Path], tmp_path: Path) -> None:
    source = make(tmp_path)
    by_wnid, by_id = listed(source), listed(source, "devkit")
    assert by_wnid.class_order == "wnid" and [info.id for info in by_wnid.classes] == WNIDS
    assert by_id.class_order == "devkit" and [info.id for info in by_id.classes] == sorted(WNIDS, key=IDS.__getitem__)
    for listing in (by_wnid, by_id):
        assert [info.index for info in listing.classes] == list(range(len(WNIDS)))
        assert all(info.name == WORDS[info.id] for info in listing.classes)
        for entries in listing.splits.values():
            assert all(listing.classes[entry.label].id == entry.name.split("/")[1] for entry in entries)
    assert all(entry.label == IDS[entry.name.split("/")[1]] - 1 for entry in by_id.splits["val"])
    assert [entry.name for entry in by_id.splits["val"]] == [entry.name for entry in by_wnid.splits["val"]]


def test_words_for_synsets(tmp_path: Path) -> None:
    source = official.synsets(tmp_path)
    write(source / "words.txt", b"n01440764\ttench, Tinca tinca\nn09999999\tother\nno line\n")
    assert [info.name for info in listed(source).classes][:2] == ["tench, Tinca tinca", "n02012849"]


@pytest.mark.parametrize(
    "lines, kept",
    [
        ("n07747607\nn01440764\n", ["n01440764", "n07747607"]),
        ("tench\n\nOrange\n", ["n01440764", "n07747607"]),
        ("tabby, tabby cat\nn03126707 crane\n", ["n02123045", "n03126707"]),
    ],
)
def test_a_subset_of_the_classes(tmp_path: Path, lines: str, kept: list[str]) -> None:
    source = official.ilsvrc2012(tmp_path)
    chosen = write(tmp_path / "chosen.txt", lines.encode())
    for order, expected in (("wnid", kept), ("devkit", sorted(kept, key=IDS.__getitem__))):
        listing = listed(source, order, chosen)
        assert [info.id for info in listing.classes] == expected and listing.class_order == order
        assert {split: len(entries) for split, entries in listing.splits.items()} == {"train": 12, "val": 6}
        for entries in listing.splits.values():
            assert all(listing.classes[entry.label].id == entry.name.split("/")[1] for entry in entries)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"tench\ncrane\n", r"line 2: crane is the name of n02012849 and n03126707: write which"),
        (b"tentch\n", r"line 1: there is no class tentch, perhaps tench: fix the line"),
        (b"n09999999\n", r"line 1: there is no class n09999999"),
        (b"\xff\xfe\x00", r"cannot be read .*: write one WNID or name per line"),
        (b"tench\xe9\n", r"cannot be read .*: write one WNID or name per line"),
        (b"\n \n", r"names no class: write one WNID or name per line"),
    ],
)
def test_a_list_of_classes_that_will_not_do(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(Failure, match=message):
        listed(official.ilsvrc2012(tmp_path), classes=write(tmp_path / "chosen.txt", content))


def test_orders_that_a_source_does_not_have(tmp_path: Path) -> None:
    write(tmp_path / "cats" / "1.png", b"x")
    write(tmp_path / "dogs" / "1.png", b"x")
    with pytest.raises(Failure, match=r"--class-order devkit is for ImageNet's classes; .* has others, such as cats"):
        listed(tmp_path, "devkit")
    source = official.ilsvrc2012(tmp_path / "source")
    named = official.images() | {"train/n09999999/n09999999_1.JPEG": b"x"}
    tars = official.synset_tars(named) | {"n09999999.tar": official.tar({"n09999999_1.JPEG": b"x"})}
    write(source / "ILSVRC2012_img_train.tar", official.tar(tars))
    with pytest.raises(Failure, match=r"--class-order devkit: .* does not know all classes"):
        listed(source, "devkit")


def test_md5_of_the_official_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import hashlib

    from data_prep import published

    source = official.ilsvrc2012(tmp_path)
    with pytest.raises(Failure, match=r"devkit_t12\.tar\.gz has MD5 [0-9a-f]{32}, published is fa75699e90414af0"):
        open_source(source, PrepOptions(check_md5=True))
    for name in published.MD5:
        monkeypatch.setitem(published.MD5, name, hashlib.md5((source / name).read_bytes()).hexdigest())
    open_source(source, PrepOptions(check_md5=True))
    told = capsys.readouterr().err.splitlines()
    assert [f"{name}: MD5 as published" in told for name in published.MD5] == [True] * 3
    with pytest.raises(Failure, match=r"has no file whose MD5 is known here .*: leave out --check-md5"):
        open_source(official.kaggle(tmp_path / "k"), PrepOptions(check_md5=True))


def alexctl(*arguments: object) -> tuple[int, list[str]]:
    """The command's exit code and what it said."""
    call = [sys.executable, "-m", "alexnet", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "300"}
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, (done.stderr + done.stdout).splitlines()


def test_the_command(tmp_path: Path) -> None:
    source, out = official.ilsvrc2012(tmp_path / "source"), tmp_path / "out"
    chosen = write(tmp_path / "chosen.txt", b"tench\norange\n")
    code, said = alexctl(
        "prep", source, "--out", out, "--size", 8, "--workers", 1, "--classes", chosen, "--class-order", "devkit"
    )
    assert code == 0 and said[0].startswith(f"{source} is read as ilsvrc2012: ")
    assert said[-1] == f"{out}: 2 classes, images: 12 train, 6 val"
    assert [info["name"] for info in json.loads((out / "classes.json").read_text())] == ["orange", "tench, Tinca tinca"]
    code, said = alexctl("prep", source, "--out", tmp_path / "other", "--check-md5")
    assert code == 1 and said[-1].startswith("alexctl: ") and "has MD5" in said[-1]
    code, said = alexctl("prep", source, "--out", tmp_path / "other", "--class-order", "alphabet")
    assert code == 2 and not (tmp_path / "other").exists()


def test_help_names_every_form() -> None:
    code, said = alexctl("prep", "--help")
    line = next(line for line in said if "--form" in line)
    assert code == 0 and all(form.name in line for form in FORMS)
