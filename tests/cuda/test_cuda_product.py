"""The product of the host's matrices, and the nearest rows by it: those that the CPU finds."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cuda_bench import REAL, device
from cuda_fake_cupy import FLOAT_SUMS, FakeCupy, install
from simulated import Options, SimulatedDevice

from alexnet.engines.cuda.product import on_device
from alexnet.errors import Failure
from alexnet.machine import hardware
from alexnet.machine.hardware import Wanted
from alexnet.retrieval import features, neighbours
from alexnet.retrieval.features import Features, Origin


def far(count: int, width: int) -> Any:
    """Rows far from 0 and near each other: |x|^2 - 2 q.x cancels, and every bit of a product counts."""
    random = np.random.default_rng(count)
    return (random.normal(100, 1, width) + random.normal(0, 0.5, (count, width))).astype(np.float16)


def test_it_is_that_of_float32() -> None:
    random = np.random.default_rng(0)
    multiply = on_device(device("fp32", 0))
    for n, m, d in ((1, 1, 1), (3, 50, 7), (5, 4, 33), (2, 60, 64)):
        a, b = (random.standard_normal((count, d)).astype(np.float32) for count in (n, m))
        found, wanted = multiply(a, b), a.astype(np.float64) @ b.T.astype(np.float64)
        bound = d * 2.0**-24 * np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
        assert found.dtype == np.float32 and (np.abs(found - wanted) <= bound).all()


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_no_device_that_rounds_what_it_multiplies_is_taken(precision: Any) -> None:
    other: Any = SimpleNamespace(precision=precision)
    with pytest.raises(ValueError, match=f"{precision} are not those of float32"):
        on_device(other)


def test_the_nearest_are_those_that_the_cpu_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "BLOCK_BYTES", 2 * 64 * 100)
    monkeypatch.setattr(neighbours, "TOGETHER", 7)
    rows = far(730, 64)
    labels = np.zeros(730, np.int32)
    features.write(tmp_path / "f.h5", Origin("", "", "", ""), labels, 64, lambda some: rows[some.start : some.stop])
    file, queries = Features(tmp_path / "f.h5"), rows[::40].astype(np.float32)
    found = neighbours.nearest(file, queries, 5, product=on_device(device("fp32", 0)))
    wanted = neighbours.nearest(file, queries, 5)
    assert np.array_equal(found.indices, wanted.indices) and np.array_equal(found.distances, wanted.distances)


class Counted(SimulatedDevice):
    """A device that knows how much it gave."""

    given = 0

    def allocate(self, size: int) -> Any:
        self.given += size
        return super().allocate(size)


def test_its_memory_is_that_of_one_product() -> None:
    small = Counted("fp32", Options())
    multiply = on_device(small)
    for count in (50, 50, 50, 30):
        multiply(np.ones((6, 8), np.float32), np.ones((count, 8), np.float32))
    assert small.given == 4 * (6 * 8 + 50 * 8 + 6 * 50)


@pytest.mark.skipif(REAL, reason="a likeness of CuPy")
def test_the_gpu_that_was_asked_for_multiplies_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = install(FakeCupy(2), monkeypatch)
    monkeypatch.setattr(hardware, "asked", lambda text: tuple(map(int, text.split(","))))
    multiply = hardware.product(Wanted(gpus="1"))
    assert multiply is not None
    assert multiply(np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)).tolist() == [[3.0] * 4] * 2
    assert cupy.compute_types == [FLOAT_SUMS] and cupy.machine.contexts == {1}
    with pytest.raises(Failure, match="one GPU; name one of them"):
        hardware.product(Wanted(gpus="0,1"))
    assert hardware.product(Wanted(device="cpu")) is None
