"""libcuda.so.1 of a machine that plays having GPUs, made by a C++ compiler."""

import os
import subprocess
from pathlib import Path


def driver(folder: Path, gpus: int, init: int = 0, capability: int = 9) -> Path:
    """In `folder`, which LD_LIBRARY_PATH then names; `init` is what cuInit says, `capability` its first digit."""
    path = folder / "libcuda.so.1"
    told = [f"-DGPUS={gpus}", f"-DINIT={init}", f"-DCAPABILITY={capability}"]
    source = str(Path(__file__).with_name("fake_libcuda.cpp"))
    compiler = os.environ.get("CXX", "g++")
    subprocess.run([compiler, "-shared", "-fPIC", *told, "-o", str(path), source], check=True)
    return path
