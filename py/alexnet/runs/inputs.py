"""What a net was trained to see: all that prediction needs besides the weights, so that a run is whole by itself.

`input.h5` in a run's folder holds `mean` (S, S, 3) float32, `pca/eigenvalues` (3) and `pca/eigenvectors` (3, 3)
float64, `classes` as the bytes of JSON, each with the CRC-32 of its bytes, and the dataset's identity.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from alexnet.data.format import ClassInfo, guarded, put
from alexnet.data.shards import Dataset
from alexnet.errors import Failure, reason, withheld
from alexnet.files import whole_file
from alexnet.runs.checkpoint import later

NAME = "input.h5"
FORMAT = "alexnet-input-1"


@dataclass(frozen=True)
class Inputs:
    """`mean` (S, S, 3) of the training images, their colour axes, the classes in the net's order (sections 2, 4.1)."""

    mean: NDArray[np.float32]
    eigenvalues: NDArray[np.float64]
    eigenvectors: NDArray[np.float64]
    classes: tuple[ClassInfo, ...]
    identity: str  # of the dataset

    @property
    def size(self) -> int:
        """The side of the images, in pixels."""
        return len(self.mean)

    @classmethod
    def of(cls, data: Dataset) -> "Inputs":
        """Those of a net that is trained on `data`."""
        return cls(data.mean, data.eigenvalues, data.eigenvectors, tuple(data.classes), data.identity)


def write(run: Path, inputs: Inputs) -> None:
    """Put them into a run's folder. Raises Failure where the disk does not take them."""
    listed = json.dumps([asdict(each) for each in inputs.classes]).encode()
    arrays: dict[str, NDArray[Any]] = {
        "mean": inputs.mean,
        "pca/eigenvalues": inputs.eigenvalues,
        "pca/eigenvectors": inputs.eigenvectors,
        "classes": np.frombuffer(listed, np.uint8),
    }
    try:
        with whole_file(run / NAME) as beside, h5py.File(beside, "w", locking=False) as file:
            file.attrs["format"] = FORMAT
            file.attrs["dataset"] = inputs.identity
            for name, values in arrays.items():
                put(file, name, values)
    except (OSError, RuntimeError) as error:  # HDF5 raises either when the disk is full
        raise Failure(f"{run / NAME}: cannot be written ({reason(error)}); make room, then use --resume") from error


def read(run: Path) -> Inputs | None:
    """Those in a run's folder; None where a run of an earlier version has none.

    Raises Failure where the file is damaged or cannot be read.
    """
    path = run / NAME
    if not path.exists():
        return None
    try:
        with h5py.File(path, "r", locking=False) as file:
            if later(str(file.attrs["format"]), FORMAT):
                raise Failure(f"{path}: is of a later version; install a newer alexctl, nothing is damaged")
            if file.attrs["format"] != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            mean, values, vectors, listed = (
                guarded(file, name) for name in ("mean", "pca/eigenvalues", "pca/eigenvectors", "classes")
            )
            classes = tuple(ClassInfo(**each) for each in json.loads(listed.tobytes()))
            return Inputs(mean, values, vectors, classes, str(file.attrs["dataset"]))
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        if refusal := withheld(error):
            raise Failure(f"{path}: cannot be read ({refusal}); fix that and run the same command again") from error
        raise Failure(
            f"{path}: damaged ({reason(error)}); copy it from the run's other place, or delete it and name --data"
        ) from error
