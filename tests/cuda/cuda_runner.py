"""Runs kernels under a sanitizer, in a process of its own: `python cuda_runner.py fault NAME 0|1 SANITIZER`, or
`python cuda_runner.py engine PRECISION SANITIZER` (or `real`, on a GPU).

The process ends with 1 and says why where something was caught.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from cuda_bench import Bench, device
from numpy.typing import NDArray
from simulated import Options, Sanitizer, SimulatedDevice

from alexnet.engines import Precision
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import FLOAT, Array

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
    every_kernel(Bench(CudaEngine(there), precision))


def every_kernel(bench: Bench) -> dict[str, NDArray[np.float64]]:
    """Each kernel once, at awkward sizes: what each has made."""
    random, ops, found = np.random.default_rng(0), bench.ops, {}

    def keep(**arrays: Array) -> None:
        found.update({name: bench.engine.download(array).astype(np.float64) for name, array in arrays.items()})

    x, y = bench.maps(bench.values(random, 3, 4, 5, 5)), bench.empty(3, 6, 3, 3)
    dy, dx = bench.maps(bench.values(random, 3, 6, 3, 3)), bench.empty(3, 4, 5, 5)
    w, b = bench.upload(bench.values(random, 6, 2, 3, 3)), bench.upload(np.ones(6, np.float32))
    dw, db = bench.poisoned(np.zeros((6, 2, 3, 3), np.float32)), bench.poisoned(np.zeros(6, np.float32))
    settings = {"stride": 2, "pad": 1, "groups": 2}
    ops.conv_forward(x, w, b, y, **settings)
    ops.conv_backward_data(dy, w, dx, **settings)
    ops.conv_backward_weights(x, dy, dw, db, **settings)
    keep(conv_forward=y, conv_backward_data=dx, conv_backward_weights=dw, conv_backward_bias=db)
    banks, biases = bench.upload(bench.values(random, 6, 3, 3, 2, 3, 3)), bench.upload(np.ones((6, 3, 3), np.float32))
    dbanks = bench.poisoned(np.zeros((6, 3, 3, 2, 3, 3), np.float32))
    dbiases = bench.poisoned(np.zeros((6, 3, 3), np.float32))
    ops.local_forward(x, banks, biases, y, **settings)
    ops.local_backward_data(dy, banks, dx, **settings)
    ops.local_backward_weights(x, dy, dbanks, dbiases, **settings)
    keep(local_forward=y, local_backward_data=dx, local_backward_weights=dbanks, local_backward_bias=dbiases)
    number = bench.number
    ops.sgd(w, dw, w, rate=number(0.1), momentum=number(0.9), decay=number(0.01))
    keep(sgd=w, sgd_momentum=dw)
    pooled = bench.empty(3, 4, 2, 2)
    argmax = bench.engine.bytes_like(pooled)
    ops.max_pool_forward(x, pooled, argmax, size=3, stride=2)
    ops.max_pool_backward(pooled, argmax, dx, size=3, stride=2)
    keep(max_pool_forward=pooled, argmax=argmax, max_pool_backward=dx)
    ops.average_pool_forward(x, pooled, size=3, stride=2)
    ops.average_pool_backward(pooled, dx, size=3, stride=2)
    keep(average_pool_forward=pooled, average_pool_backward=dx)
    response = {"n": 3, "k": 2.0, "alpha": 0.1, "beta": 0.75}
    out = bench.empty(3, 4, 5, 5)
    ops.lrn_forward(x, out, groups=2, **response)
    ops.lrn_backward(x, out, dx, groups=2, **response)
    keep(lrn_forward=out, lrn_backward=dx)
    ops.lrn_spatial_forward(x, out, **response)
    ops.lrn_spatial_backward(x, out, dx, **response)
    keep(lrn_spatial_forward=out, lrn_spatial_backward=dx)
    ops.relu_forward(x, out)
    ops.relu_backward(out, x, dx)
    keep(relu_forward=out, relu_backward=dx)
    ops.tanh_forward(x, out)
    ops.tanh_backward(out, x, dx)
    keep(tanh_forward=out, tanh_backward=dx)
    ops.scale(x, out, factor=2.0)
    keep(scale=out)
    ops.dropout(x, out, rate=0.5, seed=1, step=number(2), layer=3, first_unit=4, first_image=5)
    keep(dropout=out)
    units, logits = bench.upload(bench.values(random, 5, 100)), bench.empty(3, 5, 1, 1)
    biases, probs, dlogits = bench.upload(np.zeros(5, np.float32)), bench.empty(3, 5, 1, 1), bench.empty(3, 5, 1, 1)
    ops.fc_forward(x, units, biases, logits)
    labels, losses = bench.upload(np.array([0, 4, 2], np.int32)), bench.upload(np.zeros(3))
    ops.softmax_loss(logits, labels, probs, dlogits, losses, images=3, factor=0.1)
    keep(fc_forward=logits, probs=probs, dlogits=dlogits, losses=losses)
    dunits = bench.poisoned(np.zeros((5, 100), np.float32))
    ops.fc_backward_data(dlogits, units, dx)
    ops.fc_backward_weights(x, dlogits, dunits, biases)
    keep(fc_backward_data=dx, fc_backward_weights=dunits, sum_rows=biases)
    images, crops = [np.full((9, 9, 3), 7, np.uint8)] * 3, bench.empty(3, 3, 5, 5)
    view = np.full((3, 2), 4, np.int32), np.ones(3, np.uint8), np.ones((3, 3), np.float32)
    ops.augment(images, bench.upload(np.ones((9, 9, 3), np.float32)), crops, *view, divide=1.1)
    keep(augment=crops)
    return found


if __name__ == "__main__":
    if sys.argv[1] == "fault":
        fault(sys.argv[2], int(sys.argv[3]), sys.argv[4])  # type: ignore[arg-type]
    else:
        engine(sys.argv[2], sys.argv[3])  # type: ignore[arg-type]
