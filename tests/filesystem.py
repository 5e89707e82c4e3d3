"""Commands on a file system that lacks something: a small library that is loaded before theirs and refuses it."""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("filesystem.c")


def without(what: str, folder: Path) -> str:
    """The library that takes away `what` (NO_LOCKS, ...), built in `folder`: the value of LD_PRELOAD."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler is here")
    library = folder / f"{what.lower()}.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", f"-D{what}", "-o", library, SOURCE], check=True)
    return str(library)
