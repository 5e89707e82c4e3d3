"""What kernels and launches must agree on: sizes of tiles and blocks, structures passed by value."""

import re

import numpy as np
import pytest
from cuda_bench import Bench
from cuda_cases import run
from simulated import Options, SimulatedDevice

from alexnet.engines.cuda import CudaEngine, shapes, sizes
from alexnet.engines.cuda.sources import source_directory

STRUCTURES = {"ConvShape": shapes.CONV, "PackShape": shapes.PACK, "PoolShape": shapes.POOL}
STRUCTURES |= {"LrnShape": shapes.LRN, "SpatialShape": shapes.SPATIAL}
TYPES = {"int": np.dtype(np.int32), "float": np.dtype(np.float32)}


def sources() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(source_directory().glob("*.cu*")))


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_has_the_kernel_s_fields_in_its_order(name: str) -> None:
    (body,) = re.findall(rf"struct {name} {{(.*?)}};", sources(), re.DOTALL)
    declared = re.findall(r"(int|float) ([\w, \n]+);", body)
    fields = [(field.strip(), TYPES[kind]) for kind, names in declared for field in names.split(",")]
    assert fields == [(field, STRUCTURES[name][field]) for field in STRUCTURES[name].names or ()]


def test_each_size_is_used_and_none_is_written_twice() -> None:
    text = sources()
    assert [name for name in sizes.SIZES if not re.search(rf"\b{name}\b", text)] == []
    assert (
        re.findall(r"constexpr int k(?:Threads|Rows|Columns|Stages|Low|Middle|Tall|Images|Sharers|Tile)\w* = \d+", text)
        == []
    )


OTHERS = {
    "CONV_STAGES": 2,
    "CONV_LOWEST": 24,
    "CONV_LOW": 32,
    "CONV_MIDDLE": 64,
    "CONV_TALL": 96,
    "SOFTMAX_IMAGES": 4,
    "SOFTMAX_SHARERS": 16,
}
OTHERS |= {"SGD_TOGETHER": 1, "AUGMENT_TILE": 16, "AUGMENT_ROWS": 4, "LOCAL_ROWS": 3}


def test_other_sizes_change_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels and launches both follow the table: a size that one of them had by heart would show."""
    found = []
    for changed in ({}, OTHERS):
        for name, size in changed.items():
            monkeypatch.setitem(sizes.SIZES, name, size)
        bench = Bench(CudaEngine(SimulatedDevice("fp32", Options(seed=1))), "fp32")
        found.append(run(bench))
    for name, values in found[0].items():
        assert np.allclose(found[1][name], values, rtol=1e-5, atol=1e-6), name
