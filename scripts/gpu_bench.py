"""Times the engine's operations on a real GPU at AlexNet's sizes, beside measured ceilings; one JSON object.

`python scripts/gpu_bench.py [--batch 128] [--precision bf16] [--device 0]`: for each layer and direction the median
time, FLOP/s and bytes/s (each operand once); the ceilings are a large matrix product and a large copy on the same GPU.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import BF16, FLOAT, Array
from alexnet.engines.cuda.facts import devices
from alexnet.engines.cuda.gpu import GpuDevice, import_cupy

# name, maps, side, kernels, size, stride, pad, groups, output side (both columns on one GPU)
CONVOLUTIONS = [
    ("conv1", 3, 224, 96, 11, 4, 0, 1, 55),
    ("conv2", 96, 27, 256, 5, 1, 2, 2, 27),
    ("conv3", 256, 13, 384, 3, 1, 1, 1, 13),
    ("conv4", 384, 13, 384, 3, 1, 1, 2, 13),
    ("conv5", 384, 13, 256, 3, 1, 1, 2, 13),
]
FULLY_CONNECTED = [("fc6", 256, 6, 4096), ("fc7", 4096, 1, 4096), ("fc8", 4096, 1, 1000)]
RESPONSE = {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75, "groups": 2}


@dataclass
class Bench:
    """Measures on one engine."""

    engine: CudaEngine
    batch: int
    rows: list[dict[str, Any]]

    def maps(self, maps: int, side: int) -> Array:
        values = np.random.default_rng(0).standard_normal((self.batch, maps, side, side)).astype(np.float32)
        array = self.engine.maps(*values.shape)
        self.engine.pack(values, array)
        return array

    def weights(self, *shape: int) -> Array:
        return self.engine.upload((np.random.default_rng(1).standard_normal(shape) * 0.01).astype(np.float32))

    def add(self, name: str, work: Callable[[], None], flops: float, *arrays: Array) -> None:
        seconds = median_seconds(self.engine.device, work)
        size = sum(each.nbytes for each in arrays)
        self.rows.append({"name": name, "seconds": seconds, "flops": flops / seconds, "bytes_per_s": size / seconds})


def median_seconds(device: Any, work: Callable[[], None], repeats: int = 20) -> float:
    """The median of `repeats` runs after three, by CUDA events around each."""
    cupy, stream = import_cupy(), device.main.handle
    times = []
    for index in range(repeats + 3):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record(stream)
        work()
        end.record(stream)
        end.synchronize()
        if index >= 3:
            times.append(cupy.cuda.get_elapsed_time(begin, end) / 1000)
    return statistics.median(times)


def convolutions(bench: Bench) -> None:
    ops = bench.engine.ops
    for name, maps, side, kernels, size, stride, pad, groups, out in CONVOLUTIONS:
        x, y = bench.maps(maps, side), bench.maps(kernels, out)
        w, b = bench.weights(kernels, maps // groups, size, size), bench.weights(kernels)
        dw, db = bench.weights(*w.shape), bench.weights(kernels)
        at = {"stride": stride, "pad": pad, "groups": groups}
        flops = 2.0 * bench.batch * out * out * w.size
        bench.add(f"{name} forward", partial(ops.conv_forward, x, w, b, y, **at), flops, x, w, y)
        if name != "conv1":
            bench.add(f"{name} data", partial(ops.conv_backward_data, y, w, x, **at), flops, x, w, y)
        bench.add(f"{name} weights", partial(ops.conv_backward_weights, x, y, dw, db, **at), flops, x, w, y)


def others(bench: Bench) -> None:
    ops = bench.engine.ops
    for name, maps, side, pooled in (("1", 96, 55, 27), ("2", 256, 27, 13)):
        x, y, dx = bench.maps(maps, side), bench.maps(maps, side), bench.maps(maps, side)
        small = bench.maps(maps, pooled)
        argmax, at = bench.engine.bytes_like(small), {"size": 3, "stride": 2}
        bench.add(f"norm{name} forward", partial(ops.lrn_forward, x, y, **RESPONSE), 0, x, y)
        bench.add(f"norm{name} backward", partial(ops.lrn_backward, x, y, dx, **RESPONSE), 0, x, y, dx)
        bench.add(f"pool{name} forward", partial(ops.max_pool_forward, x, small, argmax, **at), 0, x, small, argmax)
        bench.add(f"pool{name} backward", partial(ops.max_pool_backward, small, argmax, x, **at), 0, x, small, argmax)
        bench.add(f"relu{name} forward", partial(ops.relu_forward, x, x), 0, x, x)
    for name, maps, side, units in FULLY_CONNECTED:
        x, y, b = bench.maps(maps, side), bench.maps(units, 1), bench.weights(units)
        w, v = (bench.weights(units, maps * side * side) for _ in range(2))
        flops = 2.0 * bench.batch * w.size
        bench.add(f"{name} forward", partial(ops.fc_forward, x, w, b, y), flops, x, w, y)
        bench.add(f"{name} data", partial(ops.fc_backward_data, y, w, x), flops, x, w, y)
        bench.add(f"{name} weights", partial(ops.fc_backward_weights, x, y, v, b), flops, x, v, y)
        bench.add(f"{name} sgd", partial(ops.sgd, w, v, w, rate=0.0, momentum=0.9, decay=0.0), 0, w, w, v, v, w)


def ceilings(engine: CudaEngine) -> dict[str, float]:
    """FLOP/s of a large product and bytes/s of a large copy (read and written)."""
    device, side = engine.device, 8192
    kind = BF16 if device.precision == "bf16" else FLOAT
    a, b, c = (Array.empty(device, (side, side), kind) for _ in range(3))
    for each in (a, b):
        values = np.random.default_rng(2).standard_normal((side, side)).astype(np.float32)
        each[...] = (values.view(np.uint32) >> 16).astype(np.uint16) if kind == BF16 else values
    product = median_seconds(device, lambda: device.gemm(a, b, c))
    copy = median_seconds(device, lambda: device.copy(a.address, c.address, a.nbytes))
    return {"flops": 2.0 * side**3 / product, "bytes_per_s": 2.0 * a.nbytes / copy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="bf16")
    parser.add_argument("--device", type=int, default=0)
    asked = parser.parse_args()
    engine = CudaEngine(GpuDevice(asked.device, asked.precision))
    bench = Bench(engine, asked.batch, [])
    convolutions(bench)
    others(bench)
    card = devices()[asked.device]["name"]
    about = {"device": card, "precision": asked.precision, "batch": asked.batch, "ceilings": ceilings(engine)}
    print(json.dumps(about | {"operations": bench.rows}))


if __name__ == "__main__":
    main()
