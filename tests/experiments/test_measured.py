"""Measures that train nothing: the baselines' errors, made once."""

from dataclasses import replace
from types import SimpleNamespace

import miniature
import pytest

from alexnet.data.shards import Dataset
from alexnet.experiments import measures, statistics
from alexnet.experiments.claims import Row
from alexnet.experiments.measures import Asked
from alexnet.experiments.results import told
from alexnet.experiments.statistics import Estimate


@pytest.mark.parametrize(("key", "wrong", "fewer"), [("top1", 30, 0), ("top5", 6, 20)])
def test_a_baselines_errors_are_made_once(workshop, tmp_path, monkeypatch, key, wrong, fewer):
    asked, there = [], Dataset(workshop.data).counts["train"]
    learnt = there - fewer

    def run(data, kind, split, *, quick, workers, kept):
        kept.mkdir(parents=True)
        asked.append((kind, split, quick))
        return SimpleNamespace(as_json=lambda: {"top1_error": 0.5, "top5_error": 0.1, "images": 60, "learnt": learnt})

    monkeypatch.setattr(measures, "run_baseline", run)
    plan = miniature.plans(tmp_path, workshop.data, workshop.recipe)[0]
    row = Row(what="sparse coding", measure="baseline", kind="sparse", key=key)
    for _ in range(2):
        found = measures.baseline(Asked(miniature.lab(tmp_path / "out"), plan, row))
        assert (found.value, found.low, found.high) == pytest.approx(statistics.share(wrong, 60))
        assert found.note == (f"learnt on {learnt} of the {there} training images" if fewer else "")
    assert asked == [("sparse", "val", True)]
    assert not [*(tmp_path / "out" / "baselines").glob("*/")], "the signatures are gone"


@pytest.mark.parametrize(
    ("split", "verdict"), [("val", "reproduced"), ("test", "other data or scale"), ("none", "other data or scale")]
)
def test_a_number_is_judged_on_the_split_that_the_papers_is_of(workshop, tmp_path, monkeypatch, split, verdict):
    """Here validation images are all there are."""
    monkeypatch.setitem(measures.MEASURES, "error", lambda asked: Estimate(0.2, 0.1, 0.3, 1))
    plan = miniature.plans(tmp_path, workshop.data, workshop.recipe)[0]
    claim = replace(plan.claim, rows=(Row(what="top-1", measure="error", paper=20.0),))
    judged = replace(plan, claim=claim, scale=replace(plan.scale, comparable=split))
    found = told(miniature.lab(tmp_path), judged, "quick")
    assert found["rows"][0]["verdict"] == verdict
    assert found["data"].endswith("measured on the val images, which also chose each net's checkpoint")
