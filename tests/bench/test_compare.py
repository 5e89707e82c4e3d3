"""scripts/bench/compare_torch.py: which turns count, and that another net is noticed."""

import importlib
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "bench"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module("compare_torch")


def turns(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    return [{"seconds": seconds, "processor": seconds, "sgemm": sgemm, "copy": 1.0} for seconds, sgemm in pairs]


def test_turns_between_bad_probes_do_not_count(script):
    of = {"alexctl": turns((2, 90), (9, 40), (4, 100), (3, 81)), "PyTorch eager": turns((9, 79), (7, 10))}
    assert script.medians(of, "seconds") == {"alexctl": 3, "PyTorch eager": 8}


def test_the_table_says_how_many_times_as_long_each_takes(script):
    found = {
        "turns": {"step": {"alexctl": turns((2, 9)), "PyTorch eager": turns((7, 9))}},
        "about": {"alexctl": {"peak": 1400.0, "note": ""}, "PyTorch eager": {"peak": 3200.0, "note": "step"}},
        "failed": {"OpenVINO": "forward: RuntimeError: no"},
    }
    lines = script.table(found, 128).splitlines()
    assert "| PyTorch eager | 18.3 | 3.50 x | 3200 |" in lines
    assert "In channels-last order: PyTorch eager: step." in lines
    assert "OpenVINO is left out: forward: RuntimeError: no" in lines


@pytest.mark.parametrize("name, parted", [("PyTorch eager", 2e-3), ("PyTorch eager, bf16", 0.2)])
def test_another_net_is_not_compared(script, name, parted):
    script.agree({"alexctl": [[0.5, 0.5]], name: [[0.5 + 0.2 * parted, 0.5]]})
    with pytest.raises(SystemExit, match=f"{name} computes another net"):
        script.agree({"alexctl": [[0.5, 0.5]], name: [[0.5 + 0.3 * parted, 0.5]]})
