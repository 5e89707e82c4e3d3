"""What this machine has: the cores this process may use, and NVIDIA's GPUs as the driver lists them."""

import os
from pathlib import Path

_DRIVER = Path("/proc/driver/nvidia")


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The names of the GPUs that the driver knows."""
    found = []
    for file in sorted(_DRIVER.glob("gpus/*/information")):
        lines = dict(line.split(":", 1) for line in file.read_text(encoding="utf-8").splitlines() if ":" in line)
        found.append(lines.get("Model", file.parent.name).strip())
    return found


def no_gpu() -> str:
    """Why there is none, in a few words."""
    if not _DRIVER.exists():
        return f"this machine has no NVIDIA driver ({_DRIVER} is absent)"
    return "the NVIDIA driver is there, but lists no GPU"
