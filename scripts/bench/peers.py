"""The programs that compare_torch.py compares, each in a process of its own: the same net, weights and images.

A process answers a line of standard input with a line of JSON. What a program can do are its methods: `step`,
`forward`, `ten_crop`, `single`; `probs` are the outputs by which they are held to each other.
"""

import json
import os
import resource
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CLASSES, SIZE, CROP, CHECKED = 1000, 256, 224, 4
SINGLES = 10  # forward passes of one image a repetition


def drawn(name: str, shape: tuple[int, ...]) -> Floats:
    """The same values for all programs: weights N(0, sqrt(2 / fan in)), images N(0, 1), biases 0."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    scale = np.sqrt(2 / np.prod(shape[1:])) if name.endswith("weight") else 1.0
    return generator.standard_normal(shape, np.float32) * np.float32(scale)


class Ours:
    """This program, through the package."""

    def __init__(self, batch: int, threads: int, precision: Literal["fp32", "bf16"] = "fp32") -> None:
        from alexnet.bench.steps import Workload
        from alexnet.engines.cpu import CpuEngine
        from alexnet.links.solo import SoloLink
        from alexnet.net.layers import Pass
        from alexnet.recipe import load
        from alexnet.recipe.topology import topology

        self._engine, self._pass, self._batch = CpuEngine(threads, precision=precision), Pass, batch
        recipe = load("alexnet", ["train.rate=0.0001"])
        shapes = topology(recipe.net, CLASSES)
        work = Workload(recipe, CLASSES, batch, self._engine, SoloLink(recipe.net.columns))
        work.net.load({name: drawn(name, shape) for name, shape in shapes.weights().items()})
        self._net, self.step, self.forward = work.net, work.step, work.forward
        self.ten_crop, self.single = work.ten_crops, work.one_image

    def probs(self) -> Floats:
        """Class probabilities of the images that all programs are checked on."""
        images = self._engine.maps(self._batch, 3, CROP, CROP)
        self._engine.pack(drawn("images", (CHECKED, 3, CROP, CROP)), images)
        self._net.forward(images, self._pass(CHECKED, CHECKED))
        return self._engine.unpack(self._net.probs, CHECKED)[:, :, 0, 0]


def exported(folder: str) -> str:
    """The net as this program exports it, for images whose mean is subtracted already; dropout does nothing."""
    from alexnet.net.weights import export_onnx
    from alexnet.recipe import load
    from alexnet.recipe.topology import topology

    recipe, path = load("alexnet"), Path(folder) / "alexnet.onnx"
    weights = {name: drawn(name, shape) for name, shape in topology(recipe.net, CLASSES).weights().items()}
    export_onnx(path, recipe, CLASSES, weights, scaled=True)
    return str(path)


class Exported:
    """A program that runs the exported net: forward passes alone."""

    def __init__(self, batch: int) -> None:
        self._batch = drawn("batch", (batch, 3, CROP, CROP))
        self._image = drawn("image", (1, 3, CROP, CROP))

    def forward(self) -> None:
        self.run(self._batch)

    def single(self) -> None:
        self.run(self._image)

    def probs(self) -> Floats:
        """Class probabilities of the images that all programs are checked on."""
        return self.run(drawn("images", (CHECKED, 3, CROP, CROP)))

    def run(self, images: Floats) -> Floats:
        raise NotImplementedError


class OpenVino(Exported):
    """OpenVINO; one program for each batch size, which it asks for."""

    def __init__(self, batch: int, threads: int, precision: str) -> None:
        import openvino

        super().__init__(batch)
        self._openvino: Any = openvino
        self._options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision}
        self._made: dict[int, Any] = {}

    def run(self, images: Floats) -> Floats:
        if len(images) not in self._made:
            with tempfile.TemporaryDirectory() as folder:
                core = self._openvino.Core()
                model = core.read_model(exported(folder))
                model.reshape(list(images.shape))
                self._made[len(images)] = core.compile_model(model, "CPU", self._options)
        found: Floats = self._made[len(images)](images)[0]
        return found


class OnnxRuntime(Exported):
    """ONNX Runtime."""

    def __init__(self, batch: int, threads: int) -> None:
        import onnxruntime

        super().__init__(batch)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        with tempfile.TemporaryDirectory() as folder:
            self._session: Any = onnxruntime.InferenceSession(exported(folder), options)

    def run(self, images: Floats) -> Floats:
        found: Floats = self._session.run(None, {"image": images})[0]
        return found


class Probe:
    """What the machine gives at the moment: `sgemm` in GFLOP/s, `copy` in GB/s."""

    SIDE, BYTES = 2048, 2**28

    def __init__(self) -> None:
        self._a = drawn("a.weight", (self.SIDE, self.SIDE))
        self._from, self._to = (np.ones(self.BYTES, np.uint8) for _ in range(2))

    def probe(self) -> dict[str, float]:
        start = time.perf_counter()
        self._a @ self._a
        middle = time.perf_counter()
        self._to[:] = self._from
        end = time.perf_counter()
        return {"sgemm": 2e-9 * self.SIDE**3 / (middle - start), "copy": 2e-9 * self.BYTES / (end - middle)}


def pytorch(batch: int, threads: int, *, compiled: bool, bf16: bool) -> Any:
    """PyTorch in one of its modes."""
    from peer_torch import Torch

    return Torch(batch, threads, compiled=compiled, bf16=bf16)


PEERS: dict[str, Callable[[int, int], Any]] = {
    "alexctl": Ours,
    "alexctl, bf16": partial(Ours, precision="bf16"),
    "PyTorch eager": partial(pytorch, compiled=False, bf16=False),
    "PyTorch compiled": partial(pytorch, compiled=True, bf16=False),
    "PyTorch eager, bf16": partial(pytorch, compiled=False, bf16=True),
    "PyTorch compiled, bf16": partial(pytorch, compiled=True, bf16=True),
    "OpenVINO": partial(OpenVino, precision="f32"),
    "OpenVINO, bf16": partial(OpenVino, precision="bf16"),
    "ONNX Runtime": OnnxRuntime,
}
NEEDS = {"PyTorch": "torch", "OpenVINO": "openvino", "ONNX": "onnxruntime"}  # by a name's first word


def needed(name: str) -> str | None:
    """The package that a program is of, beside this one's own."""
    return NEEDS.get(name.split()[0].rstrip(","))


def serve(name: str, batch: int, threads: int) -> None:
    """A program's process: does what each line of standard input asks, answers with a line of JSON."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    made: Any = None
    for line in sys.stdin:
        try:
            made = made or (PEERS[name](batch, threads) if name in PEERS else Probe())
            answer = _answer(made, line.strip())
        except Exception as error:  # such as torch.compile without a compiler: that program is left out
            answer = {"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
        print(json.dumps(answer), file=answers, flush=True)


def _answer(made: Any, asked: str) -> dict[str, Any]:
    if asked == "probe":
        return dict(made.probe())
    if asked == "probs":
        return {"probs": made.probs().tolist()}
    if asked == "about":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        return {"peak": peak, "note": getattr(made, "note", "")}
    act: Callable[[], None] | None = getattr(made, asked, None)
    if act is None:
        return {"cannot": True}
    times = []
    for _ in range(SINGLES if asked == "single" else 1):
        start, used = time.perf_counter(), time.process_time()
        act()
        times.append((time.perf_counter() - start, time.process_time() - used))
    seconds, processor = (statistics.median(each) for each in zip(*times, strict=True))
    return {"seconds": seconds, "processor": processor}
