"""The scripts say in one line what a bare machine lacks, before they begin."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A Python that lacks what it is asked for: the script asks for each by -c.
LACKING = """#!/bin/sh
case "$2" in
*{word}*) exit 1 ;;
esac
exec {python} "$@"
"""


def begin(tmp_path: Path, word: str, compiler: str = "c++") -> str:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "environment.sh", tmp_path / "scripts")
    python = tmp_path / "python"
    python.write_text(LACKING.format(word=word, python=sys.executable))
    python.chmod(0o755)
    environment = os.environ | {"PYTHON": str(python), "CXX": compiler}
    command = ["bash", "-c", "set -euo pipefail; . scripts/environment.sh"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and not (tmp_path / ".venv").exists()
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(("word", "package"), [("ensurepip", "python3-venv"), ("Python.h", "python3-dev")])
def test_what_python_lacks(tmp_path, word, package):
    assert begin(tmp_path, word) == f"Not found: {package}; on Debian or Ubuntu, as root: apt-get install {package}"


def test_all_that_is_missing_at_once(tmp_path):
    assert begin(tmp_path, "Python.h", compiler="no-such-compiler").endswith("apt-get install g++ python3-dev")


def test_an_old_python(tmp_path):
    assert "Python 3.11 or newer is needed" in begin(tmp_path, "version_info")
