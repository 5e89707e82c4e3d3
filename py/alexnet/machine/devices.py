"""NVIDIA's GPUs, as CUDA's own library lists them: it makes no context, and is there under WSL and in containers."""

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet.errors import Failure

LIBRARY = "libcuda.so.1"
_VERSION = Path("/proc/driver/nvidia/version")  # absent under WSL and in some containers
# Of cuda.h.
_NO_DEVICE = 100
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76


@dataclass(frozen=True)
class Gpu:
    """`memory` in bytes; `capability` as "9.0"; `bus` is its place in the machine."""

    name: str
    memory: int
    capability: str
    bus: str


def gpus() -> list[Gpu]:
    """In CUDA's order, those that CUDA_VISIBLE_DEVICES leaves; none where there is no driver, or no GPU.

    Raises Failure where there is a driver that cannot be used.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return []
    status = library.cuInit(0)
    if status == _NO_DEVICE:
        return []
    if status:
        raise Failure(f"NVIDIA's driver cannot be used ({_words(library, status)}); use --device cpu")
    count = ctypes.c_int()
    _call(library, "cuDeviceGetCount", ctypes.byref(count))
    return [_gpu(library, index) for index in range(count.value)]


def driver() -> str:
    """The driver's own line, or the release of CUDA that it is for. Raises Failure where there is none."""
    if _VERSION.exists():
        return _VERSION.read_text(encoding="utf-8").splitlines()[0].removeprefix("NVRM version:").strip()
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        raise Failure(f"{no_gpu()}; install NVIDIA's driver, or use `--device cpu`") from None
    release = ctypes.c_int()
    _call(library, "cuDriverGetVersion", ctypes.byref(release))
    return f"for CUDA {release.value // 1000}.{release.value % 1000 // 10}"


def no_gpu() -> str:
    """Why `gpus` finds none, in a few words."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        if _VERSION.exists():
            return f"NVIDIA's driver is there, but not its library {LIBRARY} (is this container started with its GPUs?)"
        return f"this machine has no NVIDIA driver ({LIBRARY} is not found)"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = "" if visible is None else f" with CUDA_VISIBLE_DEVICES={visible}"
    return f"NVIDIA's driver is there, but shows no GPU{hidden}"


def _gpu(library: Any, index: int) -> Gpu:
    device, memory = ctypes.c_int(), ctypes.c_size_t()
    major, minor = ctypes.c_int(), ctypes.c_int()
    name, bus = (ctypes.create_string_buffer(256) for _ in range(2))
    _call(library, "cuDeviceGet", ctypes.byref(device), index)
    _call(library, "cuDeviceGetName", name, len(name), device)
    _call(library, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    _call(library, "cuDeviceGetAttribute", ctypes.byref(major), _CAPABILITY_MAJOR, device)
    _call(library, "cuDeviceGetAttribute", ctypes.byref(minor), _CAPABILITY_MINOR, device)
    _call(library, "cuDeviceGetPCIBusId", bus, len(bus), device)
    return Gpu(name.value.decode(), memory.value, f"{major.value}.{minor.value}", bus.value.decode())


def _call(library: Any, name: str, *arguments: Any) -> None:
    status = getattr(library, name)(*arguments)
    if status:
        raise Failure(f"NVIDIA's driver cannot list its GPUs ({_words(library, status)}); use --device cpu")


def _words(library: Any, status: int) -> str:
    text = ctypes.c_char_p()
    library.cuGetErrorString(status, ctypes.byref(text))
    return f"CUDA error {status}: {(text.value or b'unknown').decode()}"
