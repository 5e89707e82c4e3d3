"""Files of made-up features."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alexnet.retrieval.features import Features, Origin, write


@pytest.fixture
def clouds(tmp_path: Path) -> Callable[..., Features]:
    """So many rows in eight clouds far from 0; the label is the cloud's number."""

    def make(name: str = "f.h5", count: int = 400, seed: int = 0, net: str = "net") -> Features:
        centres = np.random.default_rng(7).normal(20, 5, (8, 32))
        random = np.random.default_rng(seed)
        labels = random.integers(0, 8, count).astype(np.int32)
        rows = (centres[labels] + random.normal(0, 1, (count, 32))).astype(np.float32)
        origin = Origin(net, "fc7", "data", name)
        write(tmp_path / name, origin, labels, 32, lambda images: rows[images.start : images.stop])
        return Features(tmp_path / name)

    return make
