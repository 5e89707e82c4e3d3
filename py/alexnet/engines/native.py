"""The compiled engine: one source, built for a few instruction sets, the best of which is chosen at import."""

import importlib
import os
from functools import cache
from types import ModuleType

from alexnet.errors import Failure

MODEL = "ALEXNET_AMX_MODEL"  # set to 1, tests have products in bf16 without a processor for them


def best() -> str:
    """The instruction set of this processor that the engine is best built for. Raises Failure as `module`."""
    chosen: str = _built("base").best_isa()
    return chosen


@cache
def module() -> ModuleType:
    """The compiled module for this processor's best instruction set.

    Raises Failure where the package was not built.
    """
    return _built(best())


def isa(precision: str) -> str:
    """The instruction set that the engine computes with, and what makes its products where they are in bf16."""
    return f"{module().ISA}, {bf16().TILES}" if precision == "bf16" else str(module().ISA)


def bf16() -> ModuleType:
    """The compiled module whose products in bf16 go by this processor's AMX, or by a model of it that tests ask for.

    Raises Failure where there is neither, or the package was not built.
    """
    if os.environ.get(MODEL) == "1":
        return module()
    if not _built("base").has_amx():
        raise Failure("engine.precision = bf16: this processor has no AMX; use --gpus, or --precision fp32")
    try:
        return importlib.import_module("alexnet._engine_amx")
    except ImportError as error:
        raise Failure(
            f"engine.precision = bf16: the compiled engine has no AMX ({error}); install the project again with a "
            "compiler that knows -mamx-bf16, or use --precision fp32"
        ) from error


def _built(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"alexnet._engine_{name}")
    except ImportError as error:
        raise Failure(f"the compiled engine cannot be loaded ({error}); install the project again") from error
