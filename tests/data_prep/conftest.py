"""A small source for the tests of the whole of `alexctl prep`."""

from pathlib import Path

import pytest
from samples import folder_source


@pytest.fixture
def source(tmp_path: Path) -> Path:
    counts = {"train/ant": 30, "train/bee": 25, "train/cat": 3, "val/bee": 5, "val/cat": 4, "test/ant": 6}
    return folder_source(tmp_path / "source", counts)
