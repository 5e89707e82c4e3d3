"""Work that one process does while others wait."""

import subprocess
import sys

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
