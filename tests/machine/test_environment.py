"""The scripts say in one line what a bare machine lacks, before they begin."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
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


def bare(folder: Path) -> Path:
    """A checkout of empty folders and the script; the pip of its environment, yet to be written."""
    for name in ("scripts", "engine", "py", "data_prep", ".venv/bin"):
        (folder / name).mkdir(parents=True)
    for name in ("CMakeLists.txt", "pyproject.toml"):
        (folder / name).touch()
    shutil.copy(ROOT / "scripts" / "environment.sh", folder / "scripts")
    pip = folder / ".venv" / "bin" / "pip"
    pip.touch(0o755)
    return pip


@pytest.mark.parametrize(("word", "package"), [("ensurepip", "python3-venv"), ("Python.h", "python3-dev")])
def test_what_python_lacks(tmp_path, word, package):
    assert begin(tmp_path, word) == f"Not found: {package}; on Debian or Ubuntu, as root: apt-get install {package}"


def test_all_that_is_missing_at_once(tmp_path):
    assert begin(tmp_path, "Python.h", compiler="no-such-compiler").endswith("apt-get install g++ python3-dev")


def test_an_old_python(tmp_path):
    assert "Python 3.11 or newer is needed" in begin(tmp_path, "version_info")


def test_the_container_has_what_the_readme_names_and_is_installed_by_the_same_script(tmp_path):
    recipe = (ROOT / "scripts/container/Dockerfile").read_text().replace("\\\n", "")
    named = re.search(r"`apt-get install ([^`]*)`", (ROOT / "README.md").read_text())
    assert named and f"--no-install-recommends {named[1]} " in recipe
    install = re.search(r"^RUN (.*environment\.sh.*)$", recipe, re.M)[1]
    extra = re.search(r"^ARG EXTRA=(\w+)$", recipe, re.M)[1]
    assert extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pip = bare(tmp_path)
    pip.write_text(f'#!/bin/sh\n# {pip.parent}/python\necho "$@"\n')
    for given, wanted in ((extra, f".[{extra}]"), ("", ".")):
        environment = os.environ | {"PYTHON": sys.executable, "EXTRA": given}
        done = subprocess.run(["sh", "-c", install], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.split()[-1] == wanted, done.stderr


def test_a_source_that_changes_while_it_is_installed_is_installed_again(tmp_path):
    """And one that was not changed since is not."""
    pip = bare(tmp_path)
    pip.write_text(
        f"#!/bin/sh\n# {pip.parent}/python\necho installed\n[ -e py/late.py ] || {{ sleep 0.1; touch py/late.py; }}\n"
    )
    command = ["bash", "-c", "set -euo pipefail; . scripts/environment.sh"]
    environment = os.environ | {"PYTHON": sys.executable}

    def times() -> int:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.count("installed")

    assert [times() for _ in range(3)] == [1, 1, 0]


def test_the_environment_of_a_checkout_that_was_moved_is_made_anew(tmp_path):
    """Its scripts would start the Python, and so the package, of where it was."""
    checkout = tmp_path / "moved"
    for folder in ("scripts", ".venv/bin"):
        (checkout / folder).mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "environment.sh", checkout / "scripts")
    (checkout / ".venv" / "bin" / "pip").write_text(f"#!{tmp_path}/before/.venv/bin/python\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$2" != venv ] || {{ echo "$@" >&2; exit 1; }}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    command = ["bash", "-c", "set -euo pipefail; . scripts/environment.sh"]
    environment = os.environ | {"PYTHON": str(python)}
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.stderr == "-m venv --clear .venv\n"
