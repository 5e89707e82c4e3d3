"""The engine's builds that this machine can run, as fixtures.

Set ALEXNET_ENGINE_DIR to test modules that are not installed (scripts/sanitize.sh does).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ISAS = ("base", "avx2", "avx512")


@cache  # a module that is read again would make its classes anew
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


def builds() -> dict[str, ModuleType]:
    base = load("base")
    return {"base": base} | {isa: load(isa) for isa in ISAS[1 : ISAS.index(base.best_isa()) + 1]}


BUILDS = builds()
WINOGRAD = [f"{isa}.winograd" for isa in BUILDS]
THREADS = 2


def operations(name: str) -> Any:
    """The operations of a build, its convolution by Winograd's method, or the plain loops."""
    isa, _, winograd = name.partition(".")
    kind = BUILDS["base"].Naive if isa == "naive" else BUILDS[isa].Winograd if winograd else BUILDS[isa].Direct
    return kind(threads=THREADS)


@pytest.fixture(params=list(BUILDS))
def build(request: pytest.FixtureRequest) -> ModuleType:
    """Each build of the engine."""
    return BUILDS[request.param]


@pytest.fixture
def engine(build: ModuleType) -> Any:
    """The operations of each build."""
    return build.Direct(threads=THREADS)


@pytest.fixture
def one(build: ModuleType) -> Any:
    """The operations of each build on one image."""
    return build.OneImage(threads=THREADS)


@pytest.fixture(params=[*BUILDS, "naive"])
def ops(request: pytest.FixtureRequest) -> Any:
    """The operations of each build, and the plain loops beside them."""
    return operations(request.param)


@pytest.fixture(params=[*BUILDS, *WINOGRAD])
def conv(request: pytest.FixtureRequest) -> Any:
    """Each build's convolution, with all products and by Winograd's method."""
    return operations(request.param)


@pytest.fixture(params=[*BUILDS, *WINOGRAD, "naive"])
def any_conv(request: pytest.FixtureRequest) -> Any:
    """These, and the plain loops beside them."""
    return operations(request.param)


@pytest.fixture
def naive() -> Any:
    """The plain loops."""
    return operations("naive")
