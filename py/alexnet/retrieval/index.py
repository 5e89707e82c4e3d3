"""A file of codes: an autoencoder, and the code of each row of a file of features; whole under its name or absent.

    mean (d), weights/0..5 (in, out), biases/0..5 (out) float32; codes (n, words) uint64, labels (n) int32; attributes
    `format`, `version`, `scale`, and `made`, which tells of what and how it was made

While the autoencoder trains, a file beside it holds its state: the net, first/0..11, second/0..11, and `step`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from alexnet.data.format import guarded, put, text
from alexnet.errors import Failure, reason, withheld
from alexnet.files import whole_file, writing
from alexnet.retrieval.autoencoder import Autoencoder, State
from alexnet.retrieval.features import Floats
from alexnet.retrieval.packing import Words, nearest, pack

FORM, VERSION = "alexnet codes", 1


@dataclass(frozen=True)
class Index:
    """Codes (n, words) of images with `labels` (n), and the `net` that makes those of queries."""

    net: Autoencoder
    codes: Words
    labels: NDArray[np.int32]
    made: str

    def search(self, rows: Floats, k: int) -> NDArray[np.intp]:
        """(q, k): the images whose codes differ least from those of rows (q, d), of equal ones the lower number."""
        return np.stack([nearest(self.codes, query, k) for query in pack(self.net(rows))])


def save(path: Path, index: Index) -> None:
    """Write an index, whole or not at all."""
    with writing(path), whole_file(path) as part, h5py.File(part, "w", locking=False) as file:
        _put_net(file, index.net, index.made)
        put(file, "codes", index.codes)
        put(file, "labels", index.labels)


def read(path: Path) -> Index:
    """Read an index; Failure where it is none, or damaged, or cannot be read."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return Index(_net(file), guarded(file, "codes"), guarded(file, "labels"), text(file, "made"))
    except MemoryError:
        raise
    except Exception as error:  # h5py answers damage with whatever exception comes first
        if refusal := withheld(error):
            raise Failure(f"{path} cannot be read ({refusal}): fix that and run the same command again") from None
        raise Failure(
            f"{path} is not a file of codes, or is damaged ({reason(error)}): delete it and make it again with "
            "alexctl codes"
        ) from None


def save_state(path: Path, state: State, made: str) -> None:
    """Write a training that goes on later, whole or not at all."""
    with writing(path), whole_file(path) as part, h5py.File(part, "w", locking=False) as file:
        _put_net(file, state.net, made)
        _put_all(file, "first", state.first)
        _put_all(file, "second", state.second)
        file.attrs["step"] = state.step


def read_state(path: Path, made: str) -> State | None:
    """What was written; None where there is nothing, or nothing whole, or of another training.

    Raises Failure where the system does not let it be read.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            if text(file, "made") == made:
                return State(int(file.attrs["step"]), _net(file), _all(file, "first"), _all(file, "second"))
    except Exception as error:  # h5py answers damage with whatever exception comes first
        if refusal := withheld(error):
            raise Failure(f"{path} cannot be read ({refusal}): fix that and run the same command again") from None
    return None


def _put_net(file: h5py.File, net: Autoencoder, made: str) -> None:
    file.attrs["format"], file.attrs["version"] = np.bytes_(FORM), np.uint32(VERSION)
    file.attrs["made"], file.attrs["scale"] = np.bytes_(made), net.scale
    put(file, "mean", net.mean)
    _put_all(file, "weights", net.weights)
    _put_all(file, "biases", net.biases)


def _net(file: h5py.File) -> Autoencoder:
    if file.attrs.get("format") != FORM.encode() or int(file.attrs["version"]) != VERSION:
        raise ValueError("not of this alexctl")
    mean, scale = guarded(file, "mean"), float(file.attrs["scale"])
    return Autoencoder(mean, scale, _all(file, "weights"), _all(file, "biases"))


def _put_all(file: h5py.File, name: str, arrays: Sequence[Floats]) -> None:
    for number, array in enumerate(arrays):
        put(file, f"{name}/{number}", array)


def _all(file: h5py.File, name: str) -> list[Floats]:
    return [guarded(file, f"{name}/{number}") for number in range(len(file[name]))]
