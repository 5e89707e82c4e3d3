"""Parquet shards: which classes they tell, what is copied out and when it goes, what is refused."""

import sys
from collections.abc import Callable
from pathlib import Path

import official
import pyarrow
import pyarrow.parquet
import pytest
from samples import encoded, photo, write

from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from data_prep import PrepOptions, prepare
from data_prep.readers import Listing, recognise

IMAGES = [encoded(photo(20, 20, seed)) for seed in range(12)]
TRAIN = "data/train-00000-of-00002.parquet"


def listed(source: Path) -> Listing:
    assert recognise(source).name == "parquet"
    return recognise(source).listing(source)


def plain(root: Path, names: list[str], path: str | None = "image.png") -> Path:
    """A set that is not ImageNet: labels 0 to 2, one image without a label, one label without an image."""
    rows = [(path, content, index % 3) for index, content in enumerate(IMAGES)]
    official.write_table(root / "train-00000-of-00001.parquet", [*rows, (None, IMAGES[0], None)], names)
    official.write_table(root / "validation-00000-of-00001.parquet", [(path, None, 1), *rows[:2]], names)
    return root


@pytest.mark.parametrize("names", [["cat", "dog", "eel", "fox"], ["cat"], []])
def test_classes_by_number_and_their_names(tmp_path: Path, names: list[str]) -> None:
    listing = listed(plain(tmp_path, names))
    called = [*names, *"0123"[len(names) : 3]]
    assert listing.class_order == "number"
    assert [(info.id, info.name) for info in listing.classes] == [(str(n), name) for n, name in enumerate(called)]
    assert listing.notes == ["train: 1 images have no label and are left out"]
    train = listing.splits["train"]
    assert {listing.fetch(entry): entry.label for entry in train} == {c: n % 3 for n, c in enumerate(IMAGES)}
    assert len({entry.name for entry in train}) == 12, "though their paths are one"
    done = prepare(tmp_path, tmp_path / "out", PrepOptions(size=16, workers=1, max_skipped=0.2))
    assert done.skipped == 1 and done.images == {"train": 12, "val": 2}
    assert '"reason": "the file is empty"' in (tmp_path / "out" / "skipped.jsonl").read_text()


def test_imagenet_is_told_by_its_paths(tmp_path: Path) -> None:
    source = official.parquet(tmp_path)
    listing = listed(source)
    assert listing.class_order == "wnid"
    assert [(info.id, info.name) for info in listing.classes] == list(official.WORDS.items())
    assert "test: 10 images have no label and are left out" in listing.notes
    assert "train: 30 images of 5 classes (published: 1281167 of 1000)" in listing.notes
    rows = [("a_n01440764.JPEG", IMAGES[0], 0), ("b_n01440764.JPEG", IMAGES[1], 1)]
    other = official.write_table(tmp_path / "other" / "train-00000-of-00001.parquet", rows, ["a", "b"])
    assert listed(other.parent).class_order == "number", "one WNID for two labels is none"


@pytest.mark.parametrize("train, val", [("train", "valid"), ("training", "val"), ("train", "validation")])
@pytest.mark.parametrize("marks", [("", ""), ("-1f0c2a9b7d3e4455", "-a7b8c9d0e1f20314")])
def test_splits_and_fingerprints_in_the_names(tmp_path: Path, train: str, val: str, marks: tuple[str, str]) -> None:
    plain = listed(official.parquet(tmp_path / "plain"))
    source = official.parquet(tmp_path / "source", train, val, marks)
    listing = listed(source)
    assert {split: [e[:2] for e in entries] for split, entries in listing.splits.items()} == {
        split: [e[:2] for e in entries] for split, entries in plain.splits.items()
    }
    (source / f"data/{train}-00001-of-00002{marks[1]}.parquet").unlink()
    with pytest.raises(Failure, match=rf"lacks {train}-00001-of-00002(-\*)?\.parquet: put it there"):
        listed(source)


def test_shards_that_are_of_no_split_are_told(tmp_path: Path) -> None:
    source = official.parquet(tmp_path)
    for name in ("unsupervised-00000-of-00002", "unsupervised-00001-of-00002", "train_small-00000-of-00001"):
        write(source / "data" / f"{name}.parquet", b"x")
    write(source / "data" / "._train-00000-of-00002.parquet", b"x")
    notes = listed(source).notes
    assert notes[:2] == [
        "1 shards of train_small are of no split and are left out",
        "2 shards of unsupervised are of no split and are left out",
    ]


def test_a_shard_may_be_empty(tmp_path: Path) -> None:
    rows = [("a", content, number % 2) for number, content in enumerate(IMAGES)]
    for number, held in enumerate((rows, [])):
        official.write_table(tmp_path / f"train-0000{number}-of-00002.parquet", held, [])
    assert len(listed(tmp_path).splits["train"]) == 12


@pytest.mark.parametrize("fails", [True, False])
def test_the_copy_is_gone_at_the_end(tmp_path: Path, fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = official.parquet(tmp_path / "source"), tmp_path / "out"
    seen: list[str] = []

    def look(*_: object) -> None:
        (folder,) = out.glob(".unpacked*")
        seen.extend(path.name for path in folder.glob("*.images"))
        if fails:
            raise Failure("no room")

    write(out / ".unpacked-train-00000.h5" / "old.images", b"of a run that was killed")
    monkeypatch.setattr(sys.modules["data_prep.prepare"], "_check_room", look)
    if fails:
        with pytest.raises(Failure, match="no room"):
            prepare(source, out, PrepOptions(size=16, workers=1))
    else:
        prepare(source, out, PrepOptions(size=16, workers=2))
    assert sorted(seen) == [f"{split}-0000{n}-of-00002.images" for split in ("train", "validation") for n in (0, 1)]
    assert not list(out.glob(".unpacked*"))


def test_only_what_is_wanted_is_copied(tmp_path: Path) -> None:
    listing = listed(official.parquet(tmp_path / "source"))
    wanted = listing.splits["val"][3:7]
    folder = tmp_path / "copy"
    folder.mkdir()
    assert listing.unpack is not None
    fetch = listing.unpack(folder, iter(wanted))
    assert [fetch(entry) for entry in wanted] == [listing.fetch(entry) for entry in wanted]
    copied = sum(path.stat().st_size for path in folder.glob("*.images"))
    assert copied == sum(len(listing.fetch(entry)) for entry in wanted)


def test_a_shard_lost_later_is_made_anew(tmp_path: Path) -> None:
    source, out = official.parquet(tmp_path / "source"), tmp_path / "out"
    prepare(source, out, PrepOptions(size=16, workers=1))
    straight = (out / "train-00001.h5").read_bytes()
    (out / "train-00001.h5").unlink()
    prepare(source, out, PrepOptions(size=16, workers=1))
    assert (out / "train-00001.h5").read_bytes() == straight
    assert Dataset(out).counts["train"] == 30


def other_columns(source: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"img": [b"x"], "label": [1]}), source / TRAIN)


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (
        lambda s: write(s / TRAIN, (s / TRAIN).read_bytes()[:-20]),
        r"train-00000-of-00002\.parquet cannot be read",
    ),
    "junk": (lambda s: write(s / TRAIN, b"junk"), r"train-00000-of-00002\.parquet cannot be read"),
    "missing": (lambda s: (s / TRAIN).unlink(), r"lacks train-00000-of-00002\.parquet: put it there"),
    "two sets": (
        lambda s: write(s / "data/train-00002-of-00003.parquet", b"x"),
        r"holds train-00002-of-00003\.parquet beside train-00000-of-00002\.parquet: keep the shards of one set",
    ),
    "two of one": (
        lambda s: write(s / "data/train-00000-of-00002-0123456789abcdef.parquet", b"x"),
        r"holds train-00000-of-00002\.parquet beside train-00000-of-00002-0123456789abcdef\.parquet: keep one of them",
    ),
    "beyond the count": (
        lambda s: write(s / "data/train-00002-of-00002.parquet", b"x"),
        r"holds train-00002-of-00002\.parquet beside train-00000-of-00002\.parquet: keep the shards of one set",
    ),
    "two names of val": (
        lambda s: write(s / "data/valid-00000-of-00001.parquet", b"x"),
        r"has shards of valid and of validation: keep those to be val",
    ),
    "no count": (lambda s: write(s / "data/train-0-of-0x.parquet", b"x"), r"does not tell how many shards there are"),
    "wild label": (
        lambda s: official.write_table(s / TRAIN, [("a", b"x", 2**40)], []),
        r"has a label 1099511627776, there are 1048576 classes at the most",
    ),
    "columns": (other_columns, r"has no column image\.bytes, only img, label: it is of another form"),
    "no labels": (
        lambda s: [official.write_table(s / TRAIN.replace("00000", f"0000{n}"), [("a", b"x", -1)], []) for n in (0, 1)],
        r"have no image with a label|has no image with a label",
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_will_not_do(tmp_path: Path, harm: str) -> None:
    source = official.parquet(tmp_path)
    do, message = HARM[harm]
    do(source)
    with pytest.raises(Failure, match=message) as failure:
        listed(source)
    assert "\n" not in str(failure.value)


def test_damage_inside_is_told_when_it_is_read(tmp_path: Path) -> None:
    source = official.parquet(tmp_path / "source")
    content = bytearray((source / TRAIN).read_bytes())
    content[4:40] = bytes(36)  # the head of the first page of images
    write(source / TRAIN, content)
    with pytest.raises(Failure, match=r"train-00000-of-00002\.parquet cannot be read"):
        prepare(source, tmp_path / "out", PrepOptions(size=16, workers=1))


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = official.parquet(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Failure, match=r"need PyArrow: pip install 'alexnet-two-columns\[parquet\]'"):
        listed(source)
