"""The engine's builds that this machine can run, as fixtures.

Set ALEXNET_ENGINE_DIR to test modules that are not installed (scripts/sanitize.sh does).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ISAS = ("base", "avx2", "avx512")


def load(isa: str) -> ModuleType:
    name = f"_engine_{isa}"
    folder = os.environ.get("ALEXNET_ENGINE_DIR")
    if folder is None:
        return importlib.import_module(f"alexnet.{name}")
    (path,) = Path(folder).glob(f"{name}.*.so")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def engines() -> dict[str, ModuleType]:
    base = load("base")
    return {"base": base} | {isa: load(isa) for isa in ISAS[1 : ISAS.index(base.best_isa()) + 1]}


ENGINES = engines()


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Any:
    """Each build of the engine."""
    return ENGINES[request.param]


@pytest.fixture(params=[*ENGINES, "naive"])
def ops(request: pytest.FixtureRequest) -> Any:
    """Each build of the engine, and the plain loops beside it."""
    return ENGINES["base"].naive if request.param == "naive" else ENGINES[request.param]


WINOGRAD = [f"{isa}.winograd" for isa in ENGINES]


def convolutions(name: str) -> Any:
    isa, _, winograd = name.partition(".")
    return ENGINES[isa].winograd if winograd else ENGINES[isa]


@pytest.fixture(params=[*ENGINES, *WINOGRAD])
def conv(request: pytest.FixtureRequest) -> Any:
    """Each build's convolution, with all products and by Winograd's method."""
    return convolutions(request.param)


@pytest.fixture(params=[*ENGINES, *WINOGRAD, "naive"])
def any_conv(request: pytest.FixtureRequest) -> Any:
    """These, and the plain loops beside them."""
    return ENGINES["base"].naive if request.param == "naive" else convolutions(request.param)


@pytest.fixture
def naive() -> Any:
    """The plain loops."""
    return ENGINES["base"].naive


@pytest.fixture(autouse=True)
def two_threads() -> None:
    for module in ENGINES.values():
        module.set_threads(2)
