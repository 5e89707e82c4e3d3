"""`alexctl doctor`: what this machine has for training, and what is missing."""

import importlib
import json
import platform
from collections.abc import Callable
from importlib import metadata

from alexnet import __version__, devices, launch, native
from alexnet.console import say
from alexnet.engines.cuda.facts import facts
from alexnet.errors import Failure, reason


def doctor(as_json: bool) -> None:
    """One line a finding; every finding in one object with `--json`."""
    found = {
        "alexnet": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {devices.cores()} cores",
        "engine": _asked(lambda: f"{native.module().ISA} (best here: {_best()})"),
        "blas": _asked(lambda: f"scipy-openblas32 {metadata.version('scipy-openblas32')}"),
        "mpi": _asked(_mpi),
        "mpiexec": _asked(launch.mpiexec),
        "gpus": ", ".join(devices.gpus()) or devices.no_gpu(),
        "onnx export": _asked(_onnx),
        **facts(),
    }
    width = max(map(len, found))
    for name, value in found.items():
        say(f"{name:{width}}  {value}")
    if as_json:
        print(json.dumps(found), flush=True)


def _asked(question: Callable[[], str]) -> str:
    """The answer, or in a few words why there is none."""
    try:
        return question()
    except metadata.PackageNotFoundError as error:
        return f"missing; install it with `pip install {error.name}`"
    except (Failure, ImportError, RuntimeError) as error:
        return f"missing: {reason(error)}"


def _best() -> str:
    best: str = importlib.import_module("alexnet._engine_base").best_isa()
    return best


def _mpi() -> str:
    from mpi4py import MPI

    return f"{MPI.Get_library_version().splitlines()[0].strip()}, mpi4py {metadata.version('mpi4py')}"


def _onnx() -> str:
    return f"onnx {metadata.version('onnx')}"
