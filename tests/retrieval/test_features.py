"""The file of features: whole or absent, gone on with after a stop, and never believed unseen."""

import errno
import os

import h5py
import numpy as np
import pytest

from alexnet.errors import Failure
from alexnet.retrieval import features
from alexnet.retrieval.features import Features, Origin, write

ORIGIN = Origin("net", "fc7", "data", "train")
WIDTH = 6


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(features, "BLOCK_BYTES", 2 * WIDTH * 4)  # four rows


def rows(count: int) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, WIDTH)).astype(np.float32)


class Extract:
    """Gives out rows, and remembers which were asked for; stops at one of them."""

    def __init__(self, values: np.ndarray, stop: int | None = None) -> None:
        self.values, self.stop, self.asked = values, stop, []

    def __call__(self, images: range) -> np.ndarray:
        if self.stop in images:
            raise KeyboardInterrupt
        self.asked.append(images)
        return self.values[images.start : images.stop]


def labels(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int32) % 3


def test_every_finite_half_becomes_the_same_single():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    assert (features.singles(halves).view(np.int32) == halves.astype(np.float32).view(np.int32)).all()


@pytest.mark.parametrize("count", [1, 4, 7, 12])
def test_what_is_written_is_read(tmp_path, count):
    values, path = rows(count), tmp_path / "f.h5"
    told = []
    assert write(path, ORIGIN, labels(count), WIDTH, Extract(values), told.append)
    assert sum(told) == count
    found = Features(path)
    assert (found.count, found.width, found.block, found.origin) == (count, WIDTH, 4, ORIGIN)
    assert (found.labels == labels(count)).all()
    assert (found.all() == values.astype(np.float16)).all()
    order = np.random.default_rng(0).permutation(count)
    assert (found.rows(order) == values[order].astype(np.float16)).all()
    with h5py.File(path) as file:  # as any other program reads it
        assert (file["features"][()] == values.astype(np.float16)).all()
    assert [each.name for each in tmp_path.iterdir()] == ["f.h5"]


def test_an_identity_is_of_the_rows_their_labels_and_their_origin(tmp_path):
    def identity(name: str, values=None, origin=ORIGIN, of=None) -> str:
        values = rows(9) if values is None else values
        write(tmp_path / name, origin, labels(9) if of is None else of, WIDTH, Extract(values))
        return Features(tmp_path / name).identity

    assert identity("a") == identity("b")
    others = [
        identity("c", values=rows(9) + 1),
        identity("d", origin=Origin("net", "fc6", "data", "train")),
        identity("e", of=labels(9)[::-1].copy()),
    ]
    assert len({identity("a"), *others}) == 4


def test_a_stopped_write_leaves_no_file_and_is_gone_on_with(tmp_path):
    values, path = rows(15), tmp_path / "f.h5"
    with pytest.raises(KeyboardInterrupt):
        write(path, ORIGIN, labels(15), WIDTH, Extract(values, stop=9))
    assert not path.exists()
    again = Extract(values)
    assert write(path, ORIGIN, labels(15), WIDTH, again)
    assert again.asked == [range(8, 12), range(12, 15)]
    assert (Features(path).all() == values.astype(np.float16)).all()


def test_a_block_that_a_crash_tore_is_made_again(tmp_path):
    values, path = rows(15), tmp_path / "f.h5"
    with pytest.raises(KeyboardInterrupt):
        write(path, ORIGIN, labels(15), WIDTH, Extract(values, stop=12))
    (part,) = tmp_path.iterdir()
    with h5py.File(part, "r+") as file:
        file["features"][5] = 0
    again = Extract(values)
    write(path, ORIGIN, labels(15), WIDTH, again)
    assert again.asked == [range(4, 8), range(12, 15)]
    assert (Features(path).all() == values.astype(np.float16)).all()


def test_a_part_that_is_no_file_of_features_is_begun_anew(tmp_path):
    values, path = rows(5), tmp_path / "f.h5"
    with pytest.raises(KeyboardInterrupt):
        write(path, ORIGIN, labels(5), WIDTH, Extract(values, stop=4))
    (part,) = tmp_path.iterdir()
    part.write_bytes(b"torn")
    write(path, ORIGIN, labels(5), WIDTH, Extract(values))
    assert (Features(path).all() == values.astype(np.float16)).all()


def test_a_part_that_the_system_withholds_is_kept(tmp_path, monkeypatch):
    """It may be hours of work; a network's file system may give it back."""
    path = tmp_path / "f.h5"
    with pytest.raises(KeyboardInterrupt):
        write(path, ORIGIN, labels(5), WIDTH, Extract(rows(5), stop=4))

    def withheld(*arguments, **options):
        raise OSError(errno.EIO, "withheld")

    (part,) = tmp_path.iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(features.h5py, "File", withheld)
        with pytest.raises(Failure, match=r"cannot be read \(Input/output error\): fix that"):
            write(path, ORIGIN, labels(5), WIDTH, Extract(rows(5)))
    assert [*tmp_path.iterdir()] == [part] and write(path, ORIGIN, labels(5), WIDTH, Extract(rows(5)))


def test_a_part_of_another_origin_is_not_gone_on_with_but_removed(tmp_path):
    values, path = rows(9), tmp_path / "f.h5"
    with pytest.raises(KeyboardInterrupt):
        write(path, Origin("other", "fc7", "data", "train"), labels(9), WIDTH, Extract(values, stop=5))
    every = Extract(values + 1)
    write(path, ORIGIN, labels(9), WIDTH, every)
    assert len(every.asked) == 3
    assert [each.name for each in tmp_path.iterdir()] == ["f.h5"]


def test_whole_files_are_not_made_again_and_others_not_replaced(tmp_path):
    path = tmp_path / "f.h5"
    write(path, ORIGIN, labels(5), WIDTH, Extract(rows(5)))
    never = Extract(rows(5))
    assert not write(path, ORIGIN, labels(5), WIDTH, never)
    assert never.asked == []
    with pytest.raises(Failure, match="holds features of something else"):
        write(path, Origin("net", "fc6", "data", "train"), labels(5), WIDTH, never)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e5])
def test_what_float16_cannot_hold_is_refused(tmp_path, bad):
    values = rows(5)
    values[3, 2] = bad
    with pytest.raises(Failure, match="above 65504 or not finite"):
        write(tmp_path / "f.h5", ORIGIN, labels(5), WIDTH, Extract(values))


def test_a_full_disk_is_told_and_what_was_written_is_kept(tmp_path, monkeypatch):
    values, path = rows(12), tmp_path / "f.h5"
    pour = features._pour
    poured = []

    def full(file, offset, array):
        poured.append(offset)
        if len(poured) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        pour(file, offset, array)

    monkeypatch.setattr(features, "_pour", full)
    with pytest.raises(Failure, match=r"f.h5 cannot be written \(No space left.*what was done is kept"):
        write(path, ORIGIN, labels(12), WIDTH, Extract(values))
    monkeypatch.setattr(features, "_pour", pour)
    again = Extract(values)
    write(path, ORIGIN, labels(12), WIDTH, again)
    assert again.asked == [range(8, 12)]


def test_a_damaged_row_is_noticed_by_either_way_of_reading(tmp_path):
    path = tmp_path / "f.h5"
    write(path, ORIGIN, labels(12), WIDTH, Extract(rows(12)))
    with h5py.File(path, "r+") as file:
        file["features"][6, 1] = 7
    found = Features(path)
    with pytest.raises(Failure, match="rows from 4 on are damaged"):
        found.all()
    assert len(found.rows(np.array([0, 11]))) == 2
    with pytest.raises(Failure, match="rows from 4 on are damaged"):
        found.rows(np.array([7]))


def test_what_is_no_file_of_features_is_refused_in_one_line(tmp_path):
    with pytest.raises(Failure, match=r"is missing: make it with alexctl features"):
        Features(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(Failure, match="cannot be read or is damaged"):
        Features(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(Failure, match="not a file of features"):
        Features(tmp_path / "other.h5")
    path = tmp_path / "f.h5"
    write(path, ORIGIN, labels(12), WIDTH, Extract(rows(12)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(Failure, match=r"damaged|cut short"):
        Features(path).all()
