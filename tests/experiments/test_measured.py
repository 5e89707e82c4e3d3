"""Measures that train nothing: the baselines' errors, made once; where there is nothing to measure."""

import json
from dataclasses import replace
from types import SimpleNamespace

import miniature
import pytest

from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from alexnet.experiments import curves, measures, pictures, statistics
from alexnet.experiments.claims import Row
from alexnet.experiments.curves import Curve
from alexnet.experiments.lab import Lab
from alexnet.experiments.measures import Asked
from alexnet.experiments.results import told
from alexnet.experiments.statistics import Estimate


@pytest.mark.parametrize(("key", "wrong", "fewer", "settings"), [("top1", 30, 0, "full"), ("top5", 6, 20, "quick")])
def test_a_baselines_errors_are_made_once(workshop, tmp_path, monkeypatch, key, wrong, fewer, settings):
    """With the settings that the scale names, whether its numbers can be compared or not."""
    asked, there = [], Dataset(workshop.data).counts["train"]
    learnt = there - fewer

    def run(data, kind, split, *, quick, workers, kept):
        kept.mkdir(parents=True)
        asked.append((kind, split, quick))
        return SimpleNamespace(as_json=lambda: {"top1_error": 0.5, "top5_error": 0.1, "images": 60, "learnt": learnt})

    monkeypatch.setattr(measures, "run_baseline", run)
    plan = miniature.plans(tmp_path, workshop.data, workshop.recipe)[0]
    plan = replace(plan, scale=replace(plan.scale, baselines=settings))
    row = Row(what="sparse coding", measure="baseline", kind="sparse", key=key)
    for _ in range(2):
        found = measures.baseline(Asked(miniature.lab(tmp_path / "out"), plan, row))
        assert (found.value, found.low, found.high) == pytest.approx(statistics.share(wrong, 60))
        assert found.note == (f"learnt on {learnt} of the {there} training images" if fewer else "")
    assert asked == [("sparse", "val", settings == "quick")]
    assert not [*(tmp_path / "out" / "baselines").glob("*/")], "the signatures are gone"


def test_where_a_rate_fails_a_row_says_why(workshop, tmp_path, monkeypatch):
    """The other net's fastest rate is known."""
    monkeypatch.setattr(Lab, "finished", lambda lab, job: "relu" in job.name)
    monkeypatch.setattr(Lab, "curve", lambda lab, job: Curve([1.0], [0.5]))
    lab, plan = miniature.lab(tmp_path), miniature.plans(tmp_path, workshop.data, workshop.recipe)[0]
    (tanh,) = plan.swept("tanh").values()
    lab.runs.mkdir()
    for record, note in (({}, f"{tanh.name}: not trained yet"), ({"failed": "not finite"}, "not finite")):
        lab.run(tanh).with_suffix(".json").write_text(json.dumps(record))
        (row,) = told(lab, plan, "quick")["rows"]
        assert (row["verdict"], row["note"]) == ("not run", note)


def test_no_curve_is_kept_of_a_training_that_may_go_on(workshop, tmp_path, monkeypatch):
    lab, plan = miniature.lab(tmp_path), miniature.plans(tmp_path, workshop.data, workshop.recipe)[0]
    monkeypatch.setattr(curves, "measured", lambda run, wanted: {"epochs": [1.0], "errors": [0.5]})
    (tanh,) = plan.swept("tanh").values()
    with pytest.raises(Failure, match=r"^tanh, rate 0\.003, seed 0: not trained yet"):
        lab.curve(tanh)
    assert not [*tmp_path.rglob("curve.json")]


def test_nothing_is_drawn_of_a_net_one_of_whose_rates_failed(workshop, tmp_path, monkeypatch):
    monkeypatch.setattr(Lab, "finished", lambda lab, job: False)
    pictures.draw(miniature.lab(tmp_path), miniature.plans(tmp_path, workshop.data, workshop.recipe)[0])
    assert not [*tmp_path.glob("figures/*.png")]


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
