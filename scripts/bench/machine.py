"""What a measurement was made on and with, for the tables of docs/performance.md."""

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from alexnet.engines import native
from alexnet.machine.cores import cores
from alexnet.runs.directory import facts


def machine() -> dict[str, str]:
    """Processor, cores, versions, commit."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "cpu": model,
        "cores": str(cores()),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "engine": str(native.module().ISA),
        "commit": str(facts("cpu", 1, 1, 0)["commit"])[:12],
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "command": " ".join(sys.argv),
    }
