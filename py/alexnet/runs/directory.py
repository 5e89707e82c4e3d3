"""A run's folder: making a new one, opening an old one, and the facts that its log begins with."""

import importlib
import os
import platform
import sys
import time
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Any, Literal

from alexnet import __version__
from alexnet.data.shards import Dataset
from alexnet.engines import native
from alexnet.errors import Failure, reason
from alexnet.files import held
from alexnet.recipe import Recipe, parse
from alexnet.runs import log
from alexnet.runs.checkpoint import Checkpoint, Shelf, newest_run, read
from alexnet.runs.inputs import Inputs
from alexnet.runs.inputs import read as read_inputs
from alexnet.runs.log import Row

RUNS = Path("runs")
LOCK = ".lock"  # held by whoever trains
PACKAGES = (
    *("h5py", "mpi4py", "mpich", "numpy", "pillow", "scipy-openblas32"),
    *("cupy-cuda12x", "cupy-cuda13x", "nvidia-nccl-cu12", "nvidia-nccl-cu13"),
)


def new_run(name: str) -> Path:
    """Make a folder of its own in ./runs: the recipe's name and the time. Raises Failure where it cannot be made."""
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for tries in count(1):
        path = RUNS / (stem if tries == 1 else f"{stem}-{tries}")
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            continue
        except OSError as error:
            raise Failure(f"{path}: cannot be made ({reason(error)}); name another --out") from error
    raise AssertionError("counting has no end")


def resolve(run: Path | None) -> Path:
    """The run asked for, or the newest in ./runs.

    Raises Failure where there is none, or the folder is of another kind.
    """
    if run is None:
        return newest_run(RUNS)
    if not run.exists():
        raise Failure(f"{run}: no such run; train one with `alexctl train DATA --out {run}`")
    if (run / log.NAME).exists():
        return run
    if any(run.glob("*/latest")):
        raise Failure(f"{run}: a folder of runs; name one of them, such as {newest_run(run)}")
    if not Shelf(run).all():
        raise Failure(f"{run}: not a run's folder; name one of those that `alexctl runs` lists")
    return run


@dataclass(frozen=True)
class Trained:
    """A trained net as found in a run: its best checkpoint where one is named, else the latest.

    `recipe` is what the run began with, but for the dropout: that is the one which held when the checkpoint was
    written, for the factor at test is of the net's last steps (section 4.2).
    """

    run: Path
    recipe: Recipe
    checkpoint: Checkpoint
    inputs: Inputs

    @property
    def data(self) -> Path:
        """Where the dataset lay that it was trained on."""
        return Path(self.checkpoint.state["data"])

    def dataset(self, data: Path | None = None) -> Dataset:
        """`data`, or the dataset that it was trained on. Raises Failure where there is none."""
        return dataset(self.checkpoint.state, data, "name it with --data")


def load_trained(run: Path, data: Path | None = None) -> Trained:
    """Read a run's best checkpoint, or its latest where none is the best yet.

    A run of an earlier version lacks `input.h5`: what it saw is then asked of the dataset, `data` if given.
    Raises Failure where the run holds no whole checkpoint.
    """
    path = Shelf(run).preferred()
    if path is None:
        raise Failure(f"{run}: holds no checkpoint yet; let it train for longer, or name another RUN")
    checkpoint = read(path, momenta=False)
    recipe = recipe_of(checkpoint.state, path)
    recipe = replace(recipe, dropout=checkpoint.state.get("dropout", recipe.dropout))
    inputs = read_inputs(run)
    if inputs is None:
        found = dataset(checkpoint.state, data, "name it with --data")
        inputs = Inputs.of(found)
        if [each.name for each in inputs.classes] != checkpoint.state["classes"]:
            raise Failure(f"{found.path}: its classes are not those of {run}; name the data it was trained on")
    return Trained(run, recipe, checkpoint, inputs)


def dataset(state: dict[str, Any], data: Path | None, advice: str) -> Dataset:
    """`data`, or what a checkpoint's state says that was trained on; where that has moved, Failure with the advice."""
    told = Path(state["data"])
    if data is None and not told.exists():
        raise Failure(f"{told}: the data that was trained on is not there any more; {advice}")
    return Dataset(data or told)


def recipe_of(state: dict[str, Any], path: Path) -> Recipe:
    """The recipe in a checkpoint's state. Raises Failure that names the checkpoint where it is not this program's."""
    try:
        recipe = parse(tomllib.loads(state["recipe"]))
        if not isinstance(state["classes"], list):
            raise TypeError("classes is not a list")
    except (Failure, KeyError, TypeError, ValueError) as error:
        raise Failure(f"{path}: not a checkpoint of this version ({reason(error)}); use another one") from error
    return recipe


@dataclass(frozen=True)
class Summary:
    """A run in a line: `epoch` and `best_error` (top-1 on validation images) are None where there were none yet."""

    run: Path
    recipe: str
    data: str
    step: int
    epoch: float | None
    best_error: float | None
    state: Literal["training", "stopped", "finished", "damaged"]


def summaries(folder: Path = RUNS) -> list[Summary]:
    """Every run in a folder, the newest last."""
    logs = [path for path in folder.glob(f"*/{log.NAME}") if path.is_file()]
    return [summary(path.parent) for path in sorted(logs, key=lambda path: path.stat().st_mtime)]


def training(run: Path) -> bool:
    """Whether somebody trains it now."""
    return held(run / LOCK)


def summary(run: Path, rows: Sequence[Row] | None = None) -> Summary:
    """What a run's log says of it, whose `rows` need not be read again, and whether somebody trains it now."""
    try:
        rows = log.read(run / log.NAME) if rows is None else rows
    except Failure:
        return Summary(run, "", "", 0, None, None, "damaged")
    start = next((row for row in reversed(rows) if row.get("event") == "start"), {})
    last = next((row for row in reversed(rows) if "loss" in row), {"step": 0})
    errors = [row["val_top1_error"] for row in rows if row.get("val_top1_error") is not None]
    ended = next((row for row in reversed(rows) if row.get("event") in ("start", "end")), {})
    state: Literal["training", "stopped", "finished", "damaged"] = "stopped"
    if training(run):
        state = "training"
    elif ended.get("finished"):
        state = "finished"
    elif (run / "latest").exists() and Shelf(run).named("latest") is None:
        state = "damaged"
    about = str(start.get("recipe", "")), str(start.get("data", ""))
    return Summary(run, *about, last["step"], last.get("epoch"), min(errors, default=None), state)


def facts(device: str, processes: int, threads: int, seed: int) -> dict[str, Any]:
    """What a run's log begins with: enough to run it again."""
    return {
        "commit": commit(),
        "versions": {"alexnet": __version__, "python": platform.python_version()} | _versions(),
        "device": device,
        "isa": native.module().ISA,
        "machine": f"{platform.node()}, {platform.machine()}, {os.cpu_count()} cores",
        "processes": processes,
        "threads": threads,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "seed": seed,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def commit() -> str | None:
    """The commit that the installed code was built from; None where it was not built from a git checkout."""
    try:
        built = importlib.import_module("alexnet._built")
    except ImportError:
        return None
    return str(built.COMMIT) or None


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    if "mpi4py.MPI" in sys.modules:  # else no MPI takes part
        found["mpi"] = sys.modules["mpi4py.MPI"].Get_library_version().splitlines()[0].strip()
    return found
