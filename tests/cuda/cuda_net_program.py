"""Run by mpiexec in two processes: a training step of a recipe on the CUDA engine and on the CPU engine.

`python cuda_net_program.py RECIPE PRECISION BATCH`: the first process prints one JSON object: `found`, by how much the
losses and each gradient differ, relative to their largest value, and `rounding`, what the CPU engine's part by when its
weights are perturbed by the precision's rounding. Weights begin at sqrt(2 / fan in): at the paper's N(0, 0.01) with
biases of 1 the windows of pool5 are nearly tied, and the last bit decides which pixel gets the gradient.
"""

import json
import sys

import numpy as np
from cuda_bench import device
from cuda_net import ROUNDING, Run, images, part

from alexnet.engines.cpu import CpuEngine
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Precision
from alexnet.links.mpi import MpiLink
from alexnet.links.staged import StagedLink
from alexnet.recipe import Conv, Fc, load


def main(name: str, precision: Precision, batch: int) -> None:
    layers = [layer.name for layer in load(name).net.layers if isinstance(layer, Conv | Fc)]
    overrides = [f"net.{layer}.{key}" for layer in layers for key in ("std=he", "bias=0")]
    recipe = load(name, overrides)
    columns = recipe.net.columns
    random = np.random.default_rng(7)  # images whose maxima are no near ties: a tie moves 1 % of a gradient
    pixels, labels = images(random, batch, recipe.net.crop) / 50, np.array([*range(batch - 1), 9], np.int32)

    cpu = Run(recipe, CpuEngine(1), MpiLink(columns), pixels, labels)
    losses, gradients = cpu.gradients(0), cpu.gathered()
    cpu.perturb(ROUNDING[precision])
    rounding = {"losses": float(np.abs(cpu.gradients(0) / losses - 1).max())}
    rounded = cpu.gathered()
    cuda = Run(recipe, CudaEngine(device(precision, 1)), StagedLink(columns), pixels, labels)
    found = {"losses": float(np.abs(cuda.gradients(0) / losses - 1).max())}
    theirs = cuda.gathered()
    if gradients is not None and rounded is not None and theirs is not None:
        report = {"found": found | part(theirs, gradients), "rounding": rounding | part(rounded, gradients)}
        print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))  # type: ignore[arg-type]
