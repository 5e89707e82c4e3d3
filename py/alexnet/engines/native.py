"""The compiled engine: one source, built for a few instruction sets, the best of which is chosen at import."""

import importlib
from functools import cache
from types import ModuleType

from alexnet.errors import Failure


@cache
def module() -> ModuleType:
    """The compiled module for this processor's best instruction set.

    Raises Failure where the package was not built.
    """
    try:
        best = importlib.import_module("alexnet._engine_base").best_isa()
        return importlib.import_module(f"alexnet._engine_{best}")
    except ImportError as error:
        raise Failure(f"the compiled engine cannot be loaded ({error}); install the project again") from error
