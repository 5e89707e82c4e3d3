"""The model of docs/scaling.md: its tables are of today, and it does what its words say."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def model() -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    spec = importlib.util.spec_from_file_location("scaling_model", SCRIPTS / "scaling_model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scaling_model"] = module
    spec.loader.exec_module(module)
    sys.path.remove(str(SCRIPTS))
    return module


def test_the_page_holds_what_the_model_says(model: ModuleType) -> None:
    text = model.PAGE.read_text(encoding="utf-8")
    assert text == model.page(text), "if it is meant to be so: python scripts/scaling_model.py --write"


def test_the_cpu_s_runs_are_met_within_15_percent(model: ModuleType) -> None:
    rows = model.cpu_rows()
    assert [row[0] for row in rows] == ["1", "2", "4"]
    assert all(abs(float(row[1]) / float(row[2]) - 1) <= 0.15 for row in rows), rows


def test_what_is_hidden_is_what_there_is_to_hide_behind(model: ModuleType) -> None:
    """Of fast links only the last layer's sum and its start are left; of slow ones all but the backward pass."""
    work = model.Work(fixed=1e-3, image=1e-5, hides=5e-6)
    alone = model.step(work, model.Links(1e18, 0, 1e18, 0), 2, 128)
    assert alone == pytest.approx((1e-3 + 128e-5) / 2)
    near = model.step(work, model.Links(1e12, 0, 1e12, 0), 4, 256)
    assert near == pytest.approx(alone + model.CROSSED * 128 / 1e12 + model.LAST * model.GRADIENTS / 2 / 1e12)
    slow = model.step(work, model.Links(1e18, 0, 1e9, 0), 16, 8 * 128)  # four ports of a node for each column
    assert slow == pytest.approx(alone + 2 * 7 / 8 * model.GRADIENTS / 2 / 4e9 - 128 * 5e-6 / 2)


def test_a_gpu_s_work_is_that_of_the_table(model: ModuleType) -> None:
    work = model.gpu_work()
    (whole,) = (float(row[-1]) for row in model.written() if row[0] == "step")
    assert work.fixed + 128 * work.image == pytest.approx(1e-6 * whole)
    assert 0 < work.hides < work.image
