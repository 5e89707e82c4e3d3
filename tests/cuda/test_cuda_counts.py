"""What the kernels of a step move and multiply: a guard of their speed that needs no clock."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from counting import Cost, CountingDevice

from alexnet.bench.kernels import Told, needed, place
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Array
from alexnet.engines.maps import BF16, FLOAT

SCRIPT = Path(__file__).parents[2] / "scripts" / "cuda_counts.py"
NUMBERS = slice(1, 7)  # of a row: launches, operations, bytes
TOLERANCE = 0.03  # compilers keep different values in registers


@pytest.fixture(scope="module")
def counts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cuda_counts", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_holds_what_the_kernels_of_a_step_move_and_multiply(counts: ModuleType) -> None:
    told = {row[0]: [_number(cell) for cell in row[NUMBERS]] for row in counts.written()}
    found = {row[0]: [_number(cell) for cell in row[NUMBERS]] for row in counts.counted()}
    advice = "if it is meant to be so: python scripts/cuda_counts.py --write"
    assert told.keys() == found.keys(), advice
    for kernel, numbers in found.items():
        assert numbers == pytest.approx(told[kernel], rel=TOLERANCE, abs=0.1), f"{kernel}: {counts.HEAD}; {advice}"


def _number(cell: str) -> float:
    return 0.0 if cell == "-" else float(cell)


@pytest.mark.parametrize(
    ("operation", "own", "helper"),
    [
        ("conv_backward_weights", "conv_backward_weights_low", "conv_add_splits"),
        ("fc_forward", "fc_forward", "add_bias"),
        ("descend", "sgd", "conv_pack"),
        ("tally", "tally_images", "tally"),
    ],
)
def test_an_operation_s_floor_is_that_of_one_of_its_kernels(operation: str, own: str, helper: str) -> None:
    assert [place("", operation, kernel)[1] for kernel in (own, helper)] == [True, False]


def test_the_multiply_adds_of_each_product() -> None:
    """For 8 images, by the layers' formulas: 6 kernels on 4 maps of 5x5, in two groups for local ones."""
    x, y, b = (np.empty(shape, np.float32) for shape in ((4, 7, 7, 8), (6, 5, 5, 8), (6,)))
    conv, local = np.empty((6, 4, 3, 3), np.float32), np.empty((6, 5, 5, 2, 3, 3), np.float32)
    fc, units = np.empty((6, 4 * 7 * 7), np.float32), np.empty((6, 1, 1, 8), np.float32)
    for kind, w, out, expected in (
        ("conv", conv, y, 8 * 6 * 5 * 5 * 4 * 3 * 3),
        ("local", local, y, 8 * 6 * 5 * 5 * 2 * 3 * 3),
        ("fc", fc, units, 8 * 6 * 4 * 7 * 7),
    ):
        assert needed(f"{kind}_forward", (x, w, b, out)) == expected
        assert needed(f"{kind}_backward_data", (out, w, x)) == expected
        assert needed(f"{kind}_backward_weights", (x, out, w, b)) == expected
    assert needed("conv_products", (conv, y)) == needed("relu_forward", (y, y)) == 0


def test_what_a_kernel_is_known_to_move_is_counted() -> None:
    device = CountingDevice()
    ops = Told(CudaEngine(device).ops, device.underway)
    y, dy = (Array.empty(device, (3, 5, 7, 8), BF16) for _ in range(2))
    ops.relu_backward(y, dy, dy)
    assert device.costs == {("", "relu_backward"): Cost(1, 2 * y.nbytes, y.nbytes, 0, 3 * y.nbytes)}
    with device.underway.within("conv9 forward"):
        w, b = (Array.empty(device, shape, FLOAT) for shape in ((64, 8, 1, 1), (64,)))
        x, y = (Array.empty(device, (maps, 4, 4, 8), BF16) for maps in (8, 64))
        ops.conv_forward(x, w, b, y, stride=1, pad=0, groups=1)
    cost = device.costs["conv9", "conv_forward_low"]
    packed = 64 * 32 * 2  # the only tile's weights, one stage deep
    assert cost.products == 64 * 32 * 128, "one tile of the tensor cores' work, whole"
    assert (cost.read - b.size * 4 * 128 / 16, cost.written) == (packed + x.nbytes, y.nbytes)
