"""Run by mpiexec in two processes: a training step of a recipe on the CUDA engine and on the CPU engine.

`python cuda_net_program.py RECIPE PRECISION BATCH`: the first process prints one JSON object, by how much the losses
and each gradient differ; it ends with 1 where one differs by more than the precision's bound.
"""

import json
import sys

import numpy as np
from cuda_bench import BOUND, device
from cuda_net import compare, images

from alexnet.engines import Precision
from alexnet.engines.cpu import CpuEngine
from alexnet.engines.cuda import CudaEngine
from alexnet.links.mpi import MpiLink
from alexnet.links.staged import StagedLink
from alexnet.recipe import load


def main(name: str, precision: Precision, batch: int) -> None:
    recipe = load(name)
    columns, bound = recipe.net.columns, BOUND[precision]
    pixels = images(np.random.default_rng(7), batch, recipe.net.crop)
    labels = np.array([*range(batch - 1), 9], np.int32)
    # Direct convolutions: by Winograd's method the CPU's own rounding grows to 1e-5 down to conv1.
    engines = CudaEngine(device(precision, 1), records=False), CpuEngine(1, fast=False)
    found = compare(recipe, engines, (StagedLink(columns), MpiLink(columns)), pixels, labels, bound)
    if found is not None:
        print(json.dumps(found))
        sys.exit(int(max(found.values()) > bound))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))  # type: ignore[arg-type]
