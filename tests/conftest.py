"""The small net's data, prepared once, and `alexctl` as a user runs it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# A shell that runs pytest in its background has signals ignored, which commands would inherit: they are to hear them.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, lambda *_: None)
# Commands print as a user's do, through buffers, whatever the shell of the tests asks of its own.
os.environ.pop("PYTHONUNBUFFERED", None)

ALEXCTL = [sys.executable, "-m", "alexnet"]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes do not name a test: a gzip file holds the second in which it was made, which no two collections share."""
    return argname if isinstance(val, bytes) else None


class Workshop:
    """A prepared dataset, a recipe, and commands on them."""

    def __init__(self, folder: Path) -> None:
        import small  # not at the top: the sanitizers' environment has no Pillow

        self.folder = folder
        self.recipe = folder / "small.toml"
        self.recipe.write_text(small.RECIPE)
        self.data = folder / "data"
        source = small.write_images(folder / "images")
        self.alexctl("prep", source, "--out", self.data, "--size", 32, "--workers", 1)

    def start(self, *arguments: object, **options) -> subprocess.Popen[str]:
        """Begin a command in a process group of its own."""
        return subprocess.Popen(
            [*ALEXCTL, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=os.environ | {"COLUMNS": "100"},
            **options,
        )

    def alexctl(self, *arguments: object, code: int = 0, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and insist on its exit code and on no traceback."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=seconds)
        assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def train(self, run: Path, *more: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        return self.alexctl(
            "train",
            self.data,
            "--recipe",
            self.recipe,
            "--device",
            "cpu",
            "--threads",
            1,
            "--out",
            run,
            *more,
            code=code,
        )


@pytest.fixture(scope="session")
def workshop(tmp_path_factory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="session")
def trained(workshop) -> Path:
    """A run on the workshop's data, to be read and not changed."""
    run = workshop.folder / "trained"
    workshop.train(run, "--procs", 1, "--epochs", 2)
    return run


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """Recipes trained by the program and by the reference."""
    from reference.pairs import Pairs  # not at the top: the sanitizers' environment has no Pillow

    return Pairs(tmp_path_factory.mktemp("pairs"))
