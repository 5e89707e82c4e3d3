"""Whole or absent files and locks, on good file systems and on those that lack something."""

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filesystem import without

from alexnet.errors import Failure
from alexnet.files import PART, Held, held, locked, sweep, whole_file, write_whole

HOLDER = """
import sys
from pathlib import Path
from alexnet.files import locked
with locked(Path(sys.argv[1]), "it is held", int(sys.argv[2]), int(sys.argv[3])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(path: Path, start: int = 0, length: int = 0, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until the end of the block."""
    command = [sys.executable, "-c", HOLDER, str(path), str(start), str(length)]
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=paths) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_lock_is_held_by_one_process(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holder(path), pytest.raises(Failure, match="it is taken"), locked(path, "it is taken"):
        pass


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with locked(path, "it is taken"):
        pass
    with holder(path):
        pass


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holder(path) as process:
        process.kill()
        process.wait()
        with locked(path, "it is taken"):
            pass


def test_locks_of_other_bytes_are_not_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holder(path, 2, 3):
        with locked(path, "it is taken", 0, 2), locked(path, "it is taken", 5, 1):
            pass
        with pytest.raises(Failure, match="it is taken"), locked(path, "it is taken", 4, 1):
            pass


def test_whoever_holds_a_lock_may_ask_for_it_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with locked(path, "it is taken"):
        assert held(path)
        with pytest.raises(Held, match="it is taken"), locked(path, "it is taken"):
            pass
        other = f"from pathlib import Path; from alexnet.files import held; print(held(Path({str(path)!r})))"
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        assert subprocess.check_output([sys.executable, "-c", other], text=True, env=environment) == "True\n"
    assert not held(path) and not held(tmp_path / "absent")


def test_to_ask_for_a_lock_keeps_nobody_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training may begin while somebody lists the runs."""
    path, control, began = tmp_path / ".lock", fcntl.fcntl, []
    path.touch()

    def meanwhile(handle: int, command: int, wanted: bytes) -> bytes:
        told = control(handle, command, wanted)
        if not began:
            began.append(command)
            with locked(path, "it is taken"):
                pass
        return told

    monkeypatch.setattr(fcntl, "fcntl", meanwhile)
    assert not held(path) and began


def test_older_kernels_have_the_locks_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, control = tmp_path / ".lock", fcntl.fcntl

    def older(handle: int, command: int, wanted: bytes) -> bytes:
        if command not in (fcntl.F_SETLK, fcntl.F_GETLK):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return control(handle, command, wanted)

    monkeypatch.setattr(fcntl, "fcntl", older)
    with holder(path):
        assert held(path)
        with pytest.raises(Held), locked(path, "it is taken"):
            pass
    with locked(path, "it is taken"):
        pass


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_that_knows_no_locks_is_worked_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with locked(tmp_path / ".lock", "it is taken"):
        write_whole(tmp_path / "file", "content")
    assert not held(tmp_path / ".lock")
    assert (tmp_path / "file").read_text() == "content"


def test_locks_that_nobody_knows_are_held_by_two_at_once(tmp_path: Path) -> None:
    path, library = tmp_path / ".lock", without("NO_LOCKS", tmp_path)
    with holder(path, LD_PRELOAD=library), holder(path, LD_PRELOAD=library):
        pass


def test_a_lock_that_cannot_be_had_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = "it is taken"
    away = pytest.raises(Failure, match=r"away/\.lock cannot be written \(No such file or directory\)")
    with away, locked(tmp_path / "away" / ".lock", refusal):
        pass

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    broken = pytest.raises(Failure, match=r"\.lock cannot be locked \(Input/output error\)")
    with broken, locked(tmp_path / ".lock", refusal):
        pass


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(ZeroDivisionError), whole_file(path) as part:
        part.write_text("half")
        assert part.parent == tmp_path and part.name.startswith(PART) and not path.exists()
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with whole_file(path) as part:
        part.write_text("whole")
    assert [item.name for item in tmp_path.iterdir()] == ["file"] and path.read_text() == "whole"


def test_what_is_half_written_is_swept_by_the_name_it_was_to_have(tmp_path: Path) -> None:
    for name in ("a-b", "c"):
        (tmp_path / f"{PART}12ab-{name}").write_text("half")
    (tmp_path / "file").write_text("whole")
    sweep(tmp_path, {"a-b"}.__contains__)
    assert sorted(item.name for item in tmp_path.iterdir()) == [f"{PART}12ab-c", "file"]
    sweep(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOTSUP, errno.EBADF])
def test_a_folder_that_cannot_be_synced_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    sync = os.fsync

    def refuse(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").is_dir():
            raise OSError(error, os.strerror(error))
        sync(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    write_whole(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_file_that_cannot_be_synced_is_not_taken_for_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    write_whole(tmp_path / "file", "before")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(Failure, match=r"file cannot be written \(Invalid argument\): make room or fix that"):
        write_whole(tmp_path / "file", "after")
    assert (tmp_path / "file").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1
