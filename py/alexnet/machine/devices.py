"""What this machine has: NVIDIA's GPUs as the driver lists them."""

from pathlib import Path

_DRIVER = Path("/proc/driver/nvidia")


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
