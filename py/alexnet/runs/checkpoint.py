"""Checkpoints: weights and momenta in the plain form, whole or absent, checked when read.

`checkpoints/step-00000042.h5` holds `weights/<name>` and `momenta/<name>`, and in the attribute `state` the
step, the seed, the recipe and the schedule; `latest` and `best` name a whole one. Nothing depends on the number
of processes. The file's user block (its first 512 bytes, which HDF5 leaves to its writer) holds the checksum of
all the rest, so that a damaged file is known before HDF5 reads it.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from alexnet.data.format import Damaged
from alexnet.engines import Floats
from alexnet.errors import Failure, reason, withheld
from alexnet.files import sweep, whole_file, write_whole

FORMAT = "alexnet-checkpoint-1"
USER_BLOCK = 512
CHUNK = 1 << 24
Arrays = dict[str, Floats]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read: `state` as it was written, arrays by parameter name."""

    path: Path
    state: dict[str, Any]
    weights: Arrays
    momenta: Arrays


def write(path: Path, state: dict[str, Any], arrays: Iterable[tuple[str, Floats, Floats]]) -> None:
    """Write a checkpoint from (name, weights, momenta); one parameter at a time is in memory.

    Raises Failure where the disk does not take it; an earlier checkpoint is not touched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as beside:
            with h5py.File(beside, "w", libver=("v110", "v110"), userblock_size=USER_BLOCK, locking=False) as file:
                file.attrs["state"] = json.dumps(state)
                for name, weights, momenta in arrays:
                    file.create_dataset(f"weights/{name}", data=weights, track_times=False)
                    file.create_dataset(f"momenta/{name}", data=momenta, track_times=False)
            stamp = f"{FORMAT} {_checksum(beside):08x}\n".encode()
            with beside.open("rb+") as raw:
                raw.write(stamp)
    except (OSError, RuntimeError) as error:  # HDF5 raises either when the disk is full
        raise Failure(f"{path}: cannot be written ({reason(error)}); make room, then use --resume") from error


def read(path: Path, momenta: bool = True) -> Checkpoint:
    """Read and check a checkpoint.

    Raises Failure where the file is missing, damaged or of another kind.
    """
    with _whole(path) as file:
        weights = _arrays(file["weights"])
        return Checkpoint(path, _state(file), weights, _arrays(file["momenta"]) if momenta else {})


def read_state(path: Path) -> dict[str, Any]:
    """The state alone; the whole file is checked, nothing else of it stays in memory. Raises Failure as `read`."""
    with _whole(path) as file:
        return _state(file)


@contextmanager
def _whole(path: Path) -> Iterator[h5py.File]:
    """The file, open, once its checksum agrees.

    Raises Damaged where it is not what was written, another Failure where that cannot be told.
    """
    try:
        with path.open("rb") as raw:
            stamp = raw.readline(USER_BLOCK).decode("ascii", "replace").split()
        if stamp[:1] != [FORMAT]:
            if stamp and later(stamp[0], FORMAT):
                raise Failure(f"{path}: is of a later version, {stamp[0]}; install a newer alexctl, nothing is damaged")
            raise ValueError(f"it does not begin with {FORMAT}")
        if stamp[1:] != [f"{_checksum(path):08x}"]:
            raise ValueError("it does not match its checksum")
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (OSError, KeyError, ValueError) as error:
        if refusal := withheld(error):
            raise Failure(f"{path}: cannot be read ({refusal}); fix that and run the same command again") from error
        raise Damaged(
            f"{path}: not a whole checkpoint ({reason(error)}); delete it, and the newest whole one is used"
        ) from error


def later(found: str, form: str) -> bool:
    """Whether a file's form, such as "alexnet-checkpoint-2", is a later version of `form`."""
    (name, _, version), (ours, _, known) = found.rpartition("-"), form.rpartition("-")
    return name == ours and version.isdecimal() and int(version) > int(known)


def _state(file: h5py.File) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(str(file.attrs["state"]))
    return state


def _arrays(group: Any) -> Arrays:
    return {name: np.asarray(values[...]) for name, values in group.items()}


def _checksum(path: Path) -> int:
    """Of all that follows the user block."""
    check = 0
    with path.open("rb") as file:
        file.seek(USER_BLOCK)
        while block := file.read(CHUNK):
            check = zlib.crc32(block, check)
    return check


@dataclass(frozen=True)
class Resumable:
    """A whole checkpoint's path and state; those newer that are damaged; whether `latest` named none."""

    path: Path
    state: dict[str, Any]
    damaged: tuple[Path, ...]
    unnamed: bool

    @property
    def note(self) -> str:
        """For people, why it is not what `latest` names; empty where it is."""
        if self.damaged:
            names = ", ".join(path.name for path in self.damaged)
            return f"{names} damaged; going on from {self.path.name}"
        return f"`latest` is lost; going on from the newest checkpoint, {self.path.name}" if self.unnamed else ""


class Shelf:
    """The checkpoints of one run: the last `kept` ones and the best."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.folder = run / "checkpoints"

    def path(self, step: int) -> Path:
        """Where the checkpoint of a step lies, if there is one."""
        return self.folder / f"step-{step:08d}.h5"

    def shelved(self, path: Path, best: bool, kept: int) -> None:
        """A whole checkpoint lies at `path`: name it, and remove those no longer wanted."""
        write_whole(self.run / "latest", path.name + "\n")
        if best:
            write_whole(self.run / "best", path.name + "\n")
        wanted = {self.named("latest"), self.named("best"), *self.all()[-kept:]}
        for old in set(self.all()) - wanted:
            old.unlink(missing_ok=True)

    def all(self) -> list[Path]:
        """Whole checkpoints, oldest first. Raises OSError where the folder may not be looked into."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.match("step-*.h5"))

    def named(self, name: str) -> Path | None:
        """The checkpoint that `latest` or `best` names; None where there is none yet, or the name is damaged."""
        with suppress(OSError, ValueError):
            path = self.folder / (self.run / name).read_text(encoding="utf-8").strip()
            if path.is_file():
                return path
        return None

    def preferred(self) -> Path | None:
        """The checkpoint of which a trained net is taken: the best, or the newest where none is the best yet."""
        return self.named("best") or self.named("latest") or next(reversed(self.all()), None)

    def newest_whole(self) -> "Resumable | None":
        """What a training goes on from: `latest`, or the newest whole checkpoint where that is lost or damaged.

        None where the shelf is empty. Raises Failure where no checkpoint on it is whole, or one that may be cannot be
        read: what is newest is not to be known then.
        """
        named, damaged = self.named("latest"), list[Path]()
        for path in dict.fromkeys([*([named] if named else []), *reversed(self.all())]):
            try:
                state = read_state(path)
            except Damaged:
                damaged.append(path)
                continue
            return Resumable(path, state, tuple(damaged), named is None)
        if damaged:
            raise Failure(f"{self.folder}: none of its {len(damaged)} checkpoints is whole; name another --out")
        return None

    def sweep(self) -> None:
        """Remove what a kill left half-written."""
        for folder in (self.run, self.folder):
            sweep(folder)


def newest_run(runs: Path) -> Path:
    """The run whose last checkpoint is the newest.

    Raises Failure where there is none.
    """
    candidates = sorted(runs.glob("*/latest"), key=lambda path: path.stat().st_mtime)
    if not candidates:
        raise Failure(f"no trained run in {runs}/; train one with `alexctl train DATA`, or name a RUN directory")
    return candidates[-1].parent
