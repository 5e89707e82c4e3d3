"""What `alexctl` answers when an experiment asks it."""

import subprocess
import sys
import time

import pytest

from alexnet.errors import Failure
from alexnet.experiments.commands import answer
from alexnet.experiments.turns import turn


def test_the_object_that_a_command_ends_with() -> None:
    assert {"alexnet", "python", "engine"} <= set(answer("doctor"))


def test_a_command_that_fails_is_heard(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Failure, match=r"^\S*nowhere: "):
        answer("runs", str(tmp_path / "nowhere"))


def test_a_command_ends_with_whoever_asked(tmp_path) -> None:  # type: ignore[no-untyped-def]
    lock, begun, outlived = tmp_path / "lock", tmp_path / "begun", tmp_path / "outlived"
    command = (
        "import time; from pathlib import Path; from alexnet.experiments.turns import turn\n"
        f"with turn(Path({str(lock)!r})):\n"
        f"    Path({str(begun)!r}).touch(); time.sleep(60); Path({str(outlived)!r}).touch()\n"
    )
    program = (
        "import sys; from alexnet.experiments import commands\n"
        f"commands.ALEXCTL = (sys.executable, '-c', {command!r}); commands.answer()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as asking:
        while not begun.exists() and asking.poll() is None:
            time.sleep(0.01)
        asking.kill()
    with turn(lock):
        assert begun.exists() and not outlived.exists()
