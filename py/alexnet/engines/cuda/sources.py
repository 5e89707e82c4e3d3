"""Where the CUDA sources lie: beside the installed package, or in the checkout."""

from functools import cache
from pathlib import Path

from alexnet.errors import Failure


@cache
def source_directory() -> Path:
    """The directory of the .cu files; raises Failure where there is none."""
    package = Path(__file__).resolve().parents[2]
    for path in (package / "cuda", package.parents[1] / "engine" / "cuda"):
        if (path / "engine.cu").exists():
            return path
    raise Failure(f"the CUDA sources are not at {package / 'cuda'}; install the project again")
