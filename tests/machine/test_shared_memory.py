"""A small or read-only /dev/shm, as containers have it: the processes train, or one line says what they need."""

import os
import subprocess
import sys

import pytest

from alexnet.machine.launch import SHARED_MB, SHARED_MB_PER_PROCESS

APART = ("unshare", "--map-root-user", "--mount")  # a user's own file systems, which no one else sees


def may_mount():
    command = [*APART, "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not may_mount(), reason="no file system can be mounted here")


def train(workshop, run, mount, processes):
    """Two steps with another /dev/shm."""
    arguments = ["--recipe", workshop.recipe, "--device", "cpu", "--threads", 1, "--procs", processes]
    command = [sys.executable, "-m", "alexnet", "train", workshop.data, *arguments, "--steps", 2, "--out", run]
    script = 'mount -t tmpfs -o "$0" tmpfs /dev/shm && exec "$@"'
    return subprocess.run(
        [*APART, "sh", "-c", script, mount, *map(str, command)],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "100"},
    )


@pytest.mark.parametrize("mount", ["size=64k", "size=1m", "size=16m", "ro"])
def test_too_little_is_said_in_one_line(workshop, tmp_path, mount):
    """Before, a bus error, a segmentation fault, or twelve lines of MPI's."""
    done = train(workshop, tmp_path / "run", mount, 2)
    assert done.returncode == 1
    assert done.stderr.startswith("alexctl: /dev/shm: ") and done.stderr.count("\n") == 1
    assert "2 processes need 28" in done.stderr and "--procs 1" in done.stderr
    assert train(workshop, tmp_path / "alone", mount, 1).returncode == 0


@pytest.mark.parametrize("processes", [2, 4, 8])
def test_what_the_line_asks_for_is_enough(workshop, tmp_path, processes):
    size = f"size={SHARED_MB + SHARED_MB_PER_PROCESS * processes}m"
    done = train(workshop, tmp_path / "run", size, processes)
    assert done.returncode == 0, done.stderr
