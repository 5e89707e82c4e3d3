"""Work that one process does while others wait."""

import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from alexnet.experiments import likeness, page, reproduce
from alexnet.experiments.lab import Lab
from alexnet.experiments.turns import taken, turn


def test_the_folder_of_a_lock_is_made(tmp_path):
    with turn(tmp_path / "not" / "yet" / "one.lock"):
        assert (tmp_path / "not" / "yet" / "one.lock").is_file()


def test_a_second_one_waits_until_the_first_has_ended(tmp_path):
    """The first one's mark is there, whole, when the second one's turn comes."""
    lock, mark = tmp_path / "one.lock", tmp_path / "mark"
    program = (
        "import sys; from pathlib import Path; from alexnet.experiments.turns import turn\n"
        f"with turn(Path({str(lock)!r})):\n"
        "    print('mine', flush=True); sys.stdin.read()\n"
        f"    Path({str(mark)!r}).write_text('done')\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True) as first:
        assert first.stdout.readline() == "mine\n"
        assert taken(lock) is None
        first.stdin.close()  # it ends now, or later
        with turn(lock):
            assert mark.read_text() == "done"
    assert taken(lock) is not None


@pytest.mark.parametrize("kind", ["features", "pixels"])
def test_features_that_another_process_made_meanwhile_are_taken(tmp_path, monkeypatch, kind):
    @contextmanager
    def waited(lock):
        lock.parent.mkdir()
        lock.with_suffix(".h5").touch()
        yield

    monkeypatch.setattr(likeness, "turn", waited)
    monkeypatch.setattr(likeness, "Features", lambda path: path)
    path = likeness.features(Lab(tmp_path), SimpleNamespace(key="run"), kind, "val")
    assert path == tmp_path / "features" / f"run-{kind}-val.h5"


def test_a_page_is_read_and_written_in_one_turn(tmp_path, monkeypatch):
    """Else the last of several processes might write what it read before another's item was there."""
    done = []

    @contextmanager
    def noted(lock):
        done.append(lock.name)
        yield
        done.append("free")

    monkeypatch.setattr(reproduce, "turn", noted)
    monkeypatch.setattr(reproduce, "unseen", lambda claim, scale: done.append("read"))
    monkeypatch.setattr(page, "write", lambda out, found: done.append("written"))
    reproduce.report(Lab(tmp_path), "quick", [SimpleNamespace(name="one")])
    assert done == ["report.lock", "read", "written", "free"]
