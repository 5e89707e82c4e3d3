"""What a person sees of long work: a bar on a terminal, plain lines elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet import console


def work(count=4):
    with console.progress("prep", count) as advance:
        for index in range(count):
            advance(1, f"note {index}")


def test_elsewhere_there_are_plain_lines(capfd, monkeypatch):
    monkeypatch.setattr(console, "PLAIN_SECONDS", 0.0)
    work()
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("prep: 1/4 images, ") and lines[0].endswith("left, note 0")
    assert lines[-1].startswith("prep: 4 images in ") and "\x1b" not in "".join(lines)


def test_one_thing_is_not_called_many():
    said = [console.counted(number, "process", "processes") for number in (0, 1, 2)]
    assert [*said, console.counted(1, "GPU"), console.counted(2, "GPU")] == [
        *("0 processes", "1 process", "2 processes", "1 GPU", "2 GPUs"),
    ]


def test_few_lines_where_nobody_watches(capfd):
    work()
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_a_terminal_gets_a_bar(capfd, monkeypatch):
    """The parent's terminal, told by the environment."""
    monkeypatch.setenv(console.TERMINAL, "90")
    monkeypatch.setenv("TERM", "xterm")
    work()
    shown = capfd.readouterr().err
    assert "\x1b[" in shown and "4/4" in shown and "images/s" in shown and "note 3" in shown


@pytest.mark.parametrize(("told", "width"), [("90", 90), ("", None), ("wide", None)])
def test_terminal_width(monkeypatch, told, width):
    monkeypatch.setenv(console.TERMINAL, told)
    assert console.terminal() == width


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (61.4, "1:01"), (3725, "1:02:05")])
def test_clock(seconds, shown):
    assert console._clock(seconds) == shown


def test_a_terminal_that_only_prints_gets_lines(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for term, watched in (("xterm", True), ("dumb", False)):
        monkeypatch.setenv("TERM", term)
        assert (console.terminal() is not None) == watched


def test_what_a_terminal_that_is_gone_did_not_take_changes_no_exit_code():
    code = "import sys; from alexnet.console import let_go, say; say('x'); let_go(); sys.exit(75)"
    with Path("/dev/full").open("w") as full:
        assert subprocess.run([sys.executable, "-c", code], stderr=full).returncode == 75


def test_breaking_off_gives_the_terminal_its_cursor_back():
    program = """
import os
from alexnet import console
with console.progress("prep", 2):
    console.break_off()
    os._exit(0)
"""
    command = [sys.executable, "-c", program]
    environment = os.environ | {console.TERMINAL: "90", "TERM": "xterm"}
    watched = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert watched.stderr.rindex("\x1b[?25h") > watched.stderr.rindex("\x1b[?25l")
    assert not subprocess.run(command, capture_output=True, text=True).stderr


CLOSED = """
import os, sys
from alexnet.console import progress, settle_streams
settle_streams()
with open("kept", "w") as file, progress("prep", 1) as advance:
    advance(1)
    print("a line")
    os.write(1, b"a library"), os.write(2, b"speaks"), file.write("all of it")
    sys.exit(75)
"""


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_leads_nowhere_and_into_no_file(tmp_path, streams):
    command = ["bash", "-c", f'exec "$0" -c "$1" {streams}', sys.executable, CLOSED]
    assert subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE).returncode == 75
    assert (tmp_path / "kept").read_text() == "all of it"


def test_commands_settle_their_streams(workshop):
    command = ["bash", "-c", f"exec {sys.executable} -m alexnet doctor {workshop.data} 2>&-"]
    assert subprocess.run(command, stdout=subprocess.PIPE).returncode == 0


def test_names_that_a_terminal_cannot_show_are_escaped():
    program = "from alexnet.console import settle_streams; settle_streams(); print('caf\\xe9', 'caf\\udce9')"
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=True, capture_output=True
    )
    assert done.stdout == b"caf\\xe9 caf\\udce9\n"
