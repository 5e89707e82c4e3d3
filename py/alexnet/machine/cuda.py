"""What this machine has for the CUDA engine, and what to install; nothing here needs a GPU to answer."""

import importlib
from collections.abc import Callable
from importlib import metadata

from alexnet.engines.cuda.gpu import import_cupy
from alexnet.engines.cuda.sources import NVRTC_ADVICE, load, prebuilt
from alexnet.errors import Failure, reason
from alexnet.machine import devices

_CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")
_NCCL = ("nvidia-nccl-cu13", "nvidia-nccl-cu12")


def facts() -> dict[str, str]:
    """One line a finding, in the order of a person's questions."""
    asked: dict[str, Callable[[], str]] = {
        "nvidia driver": devices.driver,
        "cupy": lambda: _installed(_CUPY, "the extra cuda13 (or cuda12): pip install 'alexnet-two-columns[cuda13]'"),
        "cuda devices": _devices,
        "peer access": _peers,
        "nccl": lambda: _installed(_NCCL, "pip install nvidia-nccl-cu13 (only for two GPUs and more)"),
        "cuda kernels": _kernels,
    }
    return {name: answer(question) for name, question in asked.items()}


def answer(question: Callable[[], str]) -> str:
    """The answer to a question, or in a few words why there is none."""
    try:
        return question()
    except metadata.PackageNotFoundError as error:
        return f"missing; install it with `pip install {error.name}`"
    except (Failure, ImportError, RuntimeError) as error:
        return f"missing: {reason(error)}"


def _installed(names: tuple[str, ...], advice: str) -> str:
    for name in names:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    raise Failure(f"install it: {advice}")


def _devices() -> str:
    """Those that CuPy can use."""
    import_cupy()
    lines = (f"{at.name} ({at.memory >> 30} GiB, capability {at.capability})" for at in devices.gpus())
    return ", ".join(f"{index}: {line}" for index, line in enumerate(lines))


def _peers() -> str:
    runtime = import_cupy().cuda.runtime
    count = len(devices.gpus())
    pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
    able = [f"{a}->{b}" for a, b in pairs if runtime.deviceCanAccessPeer(a, b)]
    return ", ".join(able) or ("one GPU" if count == 1 else "none: exchanges go through the host's memory")


def _kernels() -> str:
    """Which of the two ways is taken, tried out where there is a GPU."""
    try:
        cupy = import_cupy()
    except Failure:
        binary = prebuilt("bf16")
        return f"{binary.name}, made with the package" if binary else f"NVRTC {_nvrtc()}"
    with cupy.cuda.Device(0):
        return load(cupy, "bf16").origin


def _nvrtc() -> str:
    """Its release."""
    cupy = importlib.import_module("cupy")
    try:
        return "{}.{}".format(*cupy.cuda.nvrtc.getVersion())
    except RuntimeError as error:
        raise Failure(f"NVRTC cannot be loaded; {NVRTC_ADVICE}") from error
