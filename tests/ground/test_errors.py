"""An error that nobody foresaw ends in one line, and its traceback is not lost."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet.errors import DEBUG, unforeseen


def mistaken() -> Exception:
    try:
        {}["absent"]
    except KeyError as error:
        return error
    raise AssertionError


def test_the_line_names_the_place_and_a_file_with_the_traceback(monkeypatch):
    monkeypatch.delenv(DEBUG, raising=False)
    line = unforeseen(mistaken())
    assert "\n" not in line and "test_errors.py:" in line and "KeyError: 'absent'" in line
    path = Path(re.search(r"report it with (\S+)$", line).group(1))
    try:
        assert "Traceback" in path.read_text() and '{}["absent"]' in path.read_text()
    finally:
        path.unlink()


def test_a_developer_sees_it_on_the_screen(monkeypatch):
    monkeypatch.setenv(DEBUG, "1")
    assert "Traceback" in unforeseen(mistaken())


def test_where_no_file_can_be_written_the_line_says_how_to_see_it(monkeypatch):
    monkeypatch.delenv(DEBUG, raising=False)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    assert unforeseen(mistaken()).endswith(f"report it with what {DEBUG}=1 shows")


@pytest.mark.parametrize("debug", ["", "1"])
def test_the_command_line_ends_with_it(debug, tmp_path):
    """A fault planted into a command: exit code 1, one line of ours, a traceback only where it is asked for."""
    code = (
        "import alexnet.recipe, alexnet.cli, sys; alexnet.recipe.bundled = lambda: 1 / 0;"
        "sys.argv = ['alexctl', 'recipes']; alexnet.cli.main()"
    )
    environment = {"PATH": "", "TMPDIR": str(tmp_path), DEBUG: debug, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert "alexctl: a mistake of this program" in done.stderr and "ZeroDivisionError" in done.stderr
    assert ("Traceback" in done.stderr) == (debug == "1")
    assert len(list(tmp_path.iterdir())) == (debug != "1")
