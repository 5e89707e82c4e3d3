"""`alexctl prep` at a small size, and what an image then looks like."""

from pathlib import Path
from typing import Any

import numpy as np

from alexnet.data.decode import square
from data_prep import Prepared, PrepOptions, prepare

SIZE = 24


def prep(source: Path, out: Path, **options: Any) -> Prepared:
    return prepare(source, out, PrepOptions(**({"size": SIZE, "workers": 1} | options)))


def shown(path: Path) -> np.ndarray:
    out = np.zeros((SIZE, SIZE, 3), np.uint8)
    square(path.read_bytes(), out)
    return out
