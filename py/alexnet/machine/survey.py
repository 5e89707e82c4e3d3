"""What this machine has for training, and what is missing."""

import os
import platform
from importlib import metadata

from alexnet import __version__
from alexnet.engines import native
from alexnet.errors import Failure
from alexnet.machine import devices, launch, world
from alexnet.machine.cores import allowed
from alexnet.machine.cuda import answer, facts


def survey() -> dict[str, str]:
    """Each finding by its name, in the order in which a person wants them."""
    return {
        "alexnet": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {allowed()}",
        "engine": answer(lambda: f"{native.module().ISA} (best here: {native.best()})"),
        "bf16": answer(_bf16),
        "blas": answer(lambda: f"scipy-openblas32 {metadata.version('scipy-openblas32')}"),
        "mpi": answer(_mpi),
        "mpiexec": answer(launch.mpiexec),
        "launcher": answer(_launcher),
        "gpus": answer(lambda: ", ".join(gpu.name for gpu in devices.gpus()) or devices.no_gpu()),
        "onnx export": answer(_onnx),
        **facts(),
    }


def _bf16() -> str:
    """How the CPU engine multiplies in bf16."""
    try:
        tiles = native.bf16().TILES
    except Failure as failure:
        return f"{failure} (tests have a model of AMX)"
    return "AMX" if tiles == "AMX" else f"a model of AMX in C++, for tests ({native.MODEL} is set)"


def _mpi() -> str:
    return f"{world.library()}, mpi4py {metadata.version('mpi4py')}"


def _launcher() -> str:
    """Who started this process, and whether that fits; or what would."""
    if (processes := world.started()) > 1:
        try:
            world.join()
        except Failure as failure:
            return str(failure)
        return f"{processes} processes were started, and MPI joins them"
    if "SLURM_JOB_ID" in os.environ:
        return f"srun --mpi={world.fitting()}, over all nodes; or alexctl by itself, on this one"
    return "none is needed: alexctl starts its processes itself, with mpiexec"


def _onnx() -> str:
    return f"onnx {metadata.version('onnx')}"
