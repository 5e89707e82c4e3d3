"""`alexctl prep` at a small size, what it finds or refuses, and what an image then looks like."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet.data.decode import square
from alexnet.errors import Failure
from data_prep import Prepared, PrepOptions, prepare
from data_prep.readers import Listing
from data_prep.source import open_source

SIZE = 24


def prep(source: Path, out: Path, **options: Any) -> Prepared:
    return prepare(source, out, PrepOptions(**({"size": SIZE, "workers": 1} | options)))


def listed(source: Path, order: str | None = None, classes: Path | None = None) -> Listing:
    """What `prep` finds there."""
    return open_source(source, PrepOptions(class_order=order, classes=classes))


def refused(source: Path, match: str) -> None:
    """Asserts that a source is not listed, and that one line says why."""
    with pytest.raises(Failure, match=match) as failure:
        listed(source)
    assert "\n" not in str(failure.value)


def shown(path: Path) -> np.ndarray:
    out = np.zeros((SIZE, SIZE, 3), np.uint8)
    square(path.read_bytes(), out)
    return out
