"""Measures that train nothing: the baselines' errors, made once."""

from types import SimpleNamespace

import miniature
import pytest

from alexnet.experiments import measures, statistics
from alexnet.experiments.claims import Row
from alexnet.experiments.measures import Asked


@pytest.mark.parametrize(("key", "wrong"), [("top1", 30), ("top5", 6)])
def test_a_baselines_errors_are_made_once(workshop, tmp_path, monkeypatch, key, wrong):
    asked = []

    def run(data, kind, split, *, quick, workers):
        asked.append((kind, split, quick))
        return SimpleNamespace(as_json=lambda: {"top1_error": 0.5, "top5_error": 0.1, "images": 60})

    monkeypatch.setattr(measures, "run_baseline", run)
    plan = miniature.plans(tmp_path, workshop.data, workshop.recipe)[0]
    row = Row(what="sparse coding", measure="baseline", kind="sparse", key=key)
    for _ in range(2):
        found = measures.baseline(Asked(miniature.lab(tmp_path / "out"), plan, row))
        assert (found.value, found.low, found.high) == pytest.approx(statistics.share(wrong, 60))
    assert asked == [("sparse", "val", True)]
