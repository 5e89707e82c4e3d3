"""The kernels of one precision as a fat binary, for the build: `fatbin.py NVCC SOURCES SIZES PRECISION OUT NEED`.

The file's name carries the digest of sources and sizes, so that it serves no others. Where nvcc cannot make it, a
warning says so and nothing is left: NVRTC then compiles the kernels on first use. With NEED = ON that is an error.
"""

import re
import subprocess
import sys
from pathlib import Path

# Machine code by compute capability, and the release of nvcc that first makes it; the first runs on all of 8.x. Later
# GPUs than nvcc knows compile the last part, PTX, when it is loaded.
CODES = {80: (11, 0), 90: (11, 8), 100: (12, 8)}
PTX = "-gencode=arch=compute_80,code=compute_80"


def release(nvcc: str) -> tuple[int, int]:
    """Raises OSError or ValueError where it does not say."""
    said = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"release (\d+)\.(\d+)", said)
    if not found:
        raise ValueError("it does not tell its release")
    return int(found[1]), int(found[2])


def codes(nvcc: tuple[int, int]) -> list[str]:
    """Options for the architectures that this release knows. Raises ValueError where there are none."""
    chosen = [f"-gencode=arch=compute_{code},code=sm_{code}" for code, first in CODES.items() if nvcc >= first]
    if not chosen:
        raise ValueError(f"release {nvcc[0]}.{nvcc[1]} knows no GPU that the kernels are for")
    return [*chosen, PTX]


def make(nvcc: str, sources: Path, sizes: Path, precision: str, out: Path) -> None:
    """Raises OSError or ValueError where nvcc is not up to it."""
    digest, *defines = subprocess.check_output([sys.executable, sizes, sources], text=True).split()
    binary = out / f"engine-{precision}-{digest}.fatbin"
    part = binary.with_suffix(".part")
    options = ["-std=c++17", f"-DPRECISION={precision.upper()}", *defines, *codes(release(nvcc)), "--threads=0"]
    command = [nvcc, "-fatbin", *options, "-o", str(part), str(sources / "engine.cu")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not part.exists():
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ValueError(said[0] if said else f"it ended with {done.returncode}")
    part.replace(binary)


def main(nvcc: str, sources: str, sizes: str, precision: str, out: str, need: str) -> int:
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"engine-{precision}-*"):
        old.unlink()
    try:
        make(nvcc, Path(sources), Path(sizes), precision, folder)
    except (OSError, ValueError) as error:
        kind = "error" if need == "ON" else "warning"
        print(f"{kind}: {nvcc} makes no fat binary of the kernels in {precision} ({error}); ", end="", file=sys.stderr)
        print("use -DALEXNET_CUDA_BINARY=OFF: NVRTC compiles them on first use", file=sys.stderr)
        return int(need == "ON")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
