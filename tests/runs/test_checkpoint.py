"""Checkpoints: whole or absent, checked when read; no damage passes unseen."""

import errno
import resource

import numpy as np
import pytest

from alexnet.errors import Failure
from alexnet.runs import checkpoint
from alexnet.runs.checkpoint import Shelf, newest_run, read, write
from alexnet.runs.directory import load_trained

CASES = 400


@pytest.fixture
def written(tmp_path):
    generator = np.random.default_rng(0)
    arrays = [
        (name, *(generator.standard_normal(shape).astype(np.float32) for _ in range(2)))
        for name, shape in (("conv1.weight", (4, 3, 5, 5)), ("conv1.bias", (4,)), ("fc8.weight", (3, 16)))
    ]
    path = tmp_path / "checkpoints" / "step-00000007.h5"
    write(path, {"step": 7, "seed": 1}, iter(arrays))
    return path, arrays


def test_what_is_written_is_read(written):
    path, arrays = written
    found = read(path)
    assert found.state == {"step": 7, "seed": 1}
    for name, weights, momenta in arrays:
        assert np.array_equal(found.weights[name], weights) and np.array_equal(found.momenta[name], momenta)
    assert read(path, momenta=False).momenta == {}


@pytest.mark.parametrize("damage", ["flip", "cut", "junk"])
def test_damage_is_a_failure(written, damage):
    """Any bit flipped, any tail missing, any bytes overwritten."""
    path, _ = written
    content = path.read_bytes()
    generator = np.random.default_rng(len(damage))
    for _ in range(CASES):
        changed = bytearray(content)
        at = int(generator.integers(len(content)))
        if damage == "flip":
            changed[at] ^= 1 << int(generator.integers(8))
        elif damage == "cut":
            del changed[at:]
        else:
            changed[at : at + 64] = generator.bytes(len(changed[at : at + 64]))
        path.write_bytes(changed)
        try:
            found = read(path)
        except Failure as failure:
            assert str(path) in str(failure) and "\n" not in str(failure)
        else:  # the user block's tail is unused: nothing of the checkpoint has changed
            assert bytes(changed[512:]) == content[512:] and found.state["step"] == 7


def test_a_failing_write_leaves_the_old_one(written):
    path, arrays = written
    before = path.read_bytes()

    def broken():
        yield arrays[0]
        raise Failure("broken off")

    with pytest.raises(Failure, match="broken off"):
        write(path, {}, broken())
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_full_disk_is_a_failure(tmp_path):
    """No file may grow beyond 1 MiB here: to the writer, a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(Failure, match="cannot be written"):
            write(tmp_path / "step.h5", {}, [("w", np.ones(1 << 20, np.float32), np.ones(1 << 20, np.float32))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_shelf_keeps_the_last_and_the_best(tmp_path):
    shelf = Shelf(tmp_path)
    for step in range(1, 7):
        write(shelf.path(step), {}, [])
        shelf.shelved(shelf.path(step), best=step == 2, kept=2)
    assert [path.name for path in shelf.all()] == ["step-00000002.h5", "step-00000005.h5", "step-00000006.h5"]
    assert shelf.named("best") == shelf.path(2) and shelf.named("latest") == shelf.path(6)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00s", b"\x00" * 20, b"", b"step-00000002.h5\n"])
def test_a_damaged_name_names_nothing_and_the_newest_is_taken(content, tmp_path):
    shelf = Shelf(tmp_path)
    write(shelf.path(1), {"step": 1}, [])
    shelf.shelved(shelf.path(1), best=True, kept=1)
    for name in ("latest", "best"):
        (tmp_path / name).write_bytes(content)
        assert shelf.named(name) is None
    found = shelf.newest_whole()
    assert found.path == shelf.preferred() == shelf.path(1) and found.unnamed and "lost" in found.note


def test_no_runs(tmp_path):
    with pytest.raises(Failure, match="no trained run"):
        newest_run(tmp_path)
    with pytest.raises(Failure, match="no checkpoint"):
        load_trained(tmp_path)


def test_a_later_version_is_not_taken_for_damage(written):
    """Else resuming would go on from an older one, and the advice would be to delete what is whole."""
    newest, _ = written
    write(Shelf(newest.parents[1]).path(3), {"step": 3}, [])
    newest.write_bytes(newest.read_bytes().replace(b"alexnet-checkpoint-1", b"alexnet-checkpoint-2", 1))
    with pytest.raises(Failure, match="of a later version, alexnet-checkpoint-2; install a newer alexctl") as caught:
        Shelf(newest.parents[1]).newest_whole()
    assert "delete" not in str(caught.value)


def test_what_the_system_withholds_is_not_taken_for_damage(written, monkeypatch):
    newest, _ = written
    shelf = Shelf(newest.parents[1])
    write(shelf.path(3), {"step": 3}, [])
    checksum = checkpoint._checksum

    def of(path):
        if path == newest:
            raise OSError(errno.EIO, "as of a network's file system")
        return checksum(path)

    monkeypatch.setattr(checkpoint, "_checksum", of)
    with pytest.raises(Failure, match=r"step-00000007\.h5: cannot be read \(Input/output error\); fix that") as caught:
        shelf.newest_whole()
    assert "delete" not in str(caught.value)


def test_a_shelf_that_may_not_be_looked_into_is_not_empty(written, monkeypatch):
    """Else a resumed run would begin anew."""

    def forbidden(folder):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(checkpoint.Path, "iterdir", forbidden)
    with pytest.raises(PermissionError):
        Shelf(written[0].parents[1]).newest_whole()
