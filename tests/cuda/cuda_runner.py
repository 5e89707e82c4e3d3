"""Runs kernels in a process of its own, under a sanitizer or with a fault in them:

    cuda_runner.py fault NAME 0|1 SANITIZER             a kernel of faults.cu
    cuda_runner.py engine PRECISION SANITIZER           every kernel (SANITIZER `real`: on a GPU)
    cuda_runner.py case SOURCE PRECISION CASE FILE      what a case of cuda_cases.py makes with these kernels, to FILE;
                                                        where that is there, it ends with 3 if this is not that

Where something was caught the process ends with another code than 0 and says why.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from cuda_bench import Bench, device
from cuda_cases import run
from simulated import Options, Sanitizer, SimulatedDevice

from alexnet.engines import Precision
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Array
from alexnet.engines.maps import FLOAT

FAULTS = Path(__file__).with_name("faults.cu")


def fault(name: str, planted: int, sanitizer: Sanitizer, seed: int = 1) -> np.ndarray:  # type: ignore[type-arg]
    """What a kernel of faults.cu makes of 0..63."""
    there = SimulatedDevice("fp32", Options(seed=seed), sanitizer=sanitizer, source=FAULTS)
    x, y = (Array.empty(there, (64,), FLOAT) for _ in range(2))
    x[...] = np.arange(64, dtype=np.float32)
    y[...] = np.zeros(64, np.float32)
    there.launch(
        name,
        (4 if name == "race_between_blocks" else 1, 1, 1),
        (64, 1, 1),
        [x.argument, y.argument, np.asarray(np.int32(planted))],
    )
    return y.download()


def engine(precision: Precision, sanitizer: Any) -> None:
    """Every kernel on the simulated device with a sanitizer, or on a GPU."""
    real = sanitizer == "real"
    there = device(precision, 1) if real else SimulatedDevice(precision, Options(seed=1), sanitizer=sanitizer)
    run(Bench(CudaEngine(there), precision))


def differs(source: Path, precision: Precision, case: str, file: Path) -> bool:
    """Whether a result is further from the right one than tests of the kernels allow, in any order of threads."""
    for seed in (1, 2, 3):
        there = SimulatedDevice(precision, Options(seed=seed), source=source)
        found = run(Bench(CudaEngine(there), precision), case)
        if not file.exists():
            np.savez(file, **found)
        rounding = 2**-8 if precision == "bf16" else 0
        for name, right in np.load(file).items():
            bound = rounding * np.abs(right) + 1e-5 * np.abs(right).max()
            if not (np.abs(found[name] - right) <= bound).all():
                print(f"{name}: not what it should be")
                return True
    return False


if __name__ == "__main__":
    if sys.argv[1] == "fault":
        fault(sys.argv[2], int(sys.argv[3]), sys.argv[4])  # type: ignore[arg-type]
    elif sys.argv[1] == "case":
        source, precision, case, file = sys.argv[2:]
        sys.exit(3 if differs(Path(source), precision, case, Path(file)) else 0)  # type: ignore[arg-type]
    else:
        engine(sys.argv[2], sys.argv[3])  # type: ignore[arg-type]
