"""A run's directory: making a new one, opening an old one, and the facts that its log begins with."""

import os
import platform
import sys
import time
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from alexnet import __version__
from alexnet.engines import native
from alexnet.errors import Failure
from alexnet.recipe import Recipe, parse
from alexnet.runs.checkpoint import Checkpoint, Shelf, newest_run, read

RUNS = Path("runs")
PACKAGES = ("h5py", "mpi4py", "numpy", "pillow", "scipy-openblas32")


def new_run(recipe_name: str) -> Path:
    """A path in ./runs that is not taken: the recipe's name and the time."""
    stem = f"{Path(recipe_name).stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, tries = RUNS / stem, 1
    while path.exists():
        tries += 1
        path = RUNS / f"{stem}-{tries}"
    return path


def resolve(run: Path | None) -> Path:
    """The run asked for, or the newest in ./runs.

    Raises Failure where there is none.
    """
    if run is None:
        return newest_run(RUNS)
    if not run.is_dir():
        raise Failure(f"{run}: no such run; train one with `alexctl train DATA --out {run}`")
    return run


@dataclass(frozen=True)
class Trained:
    """A trained net as found in a run: its best checkpoint where one is named, else the latest."""

    run: Path
    recipe: Recipe
    checkpoint: Checkpoint

    @property
    def classes(self) -> list[str]:
        found: list[str] = self.checkpoint.state["classes"]
        return found

    @property
    def data(self) -> Path:
        return Path(self.checkpoint.state["data"])


def open_run(run: Path, momenta: bool = False, which: tuple[str, ...] = ("best", "latest")) -> Trained:
    """Read a run's checkpoint.

    Raises Failure where it holds no whole one.
    """
    shelf = Shelf(run)
    path = next((found for name in which if (found := shelf.named(name))), None)
    if path is None:
        raise Failure(f"{run}: holds no checkpoint yet; let it train for longer, or name another RUN")
    checkpoint = read(path, momenta)
    try:
        recipe = parse(tomllib.loads(checkpoint.state["recipe"]))
        if not isinstance(checkpoint.state["classes"], list):
            raise TypeError("classes is not a list")
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(f"{path}: not a checkpoint of this program ({error}); use another one") from error
    return Trained(run, recipe, checkpoint)


def facts(device: str, processes: int, threads: int, seed: int) -> dict[str, Any]:
    """What a run's log begins with: enough to run it again."""
    return {
        "commit": _commit(),
        "versions": {"alexnet": __version__, "python": platform.python_version()}
        | {name: metadata.version(name) for name in PACKAGES},
        "device": device,
        "isa": native.module().ISA,
        "machine": f"{platform.node()}, {platform.machine()}, {os.cpu_count()} cores",
        "processes": processes,
        "threads": threads,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "seed": seed,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _commit() -> str | None:
    """The commit of the sources, where they lie in a git checkout."""
    for folder in Path(__file__).resolve().parents:
        head = folder / ".git" / "HEAD"
        if head.is_file():
            text = head.read_text(encoding="utf-8").strip()
            reference = folder / ".git" / text.removeprefix("ref: ")
            if not text.startswith("ref: "):
                return text
            return reference.read_text(encoding="utf-8").strip() if reference.is_file() else None
    return None
