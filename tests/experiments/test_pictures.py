"""Figures that are made of numbers: the second net of Fig. 1, and what was measured of codes."""

import re
from types import SimpleNamespace

import pytest

from alexnet.experiments import pictures
from alexnet.experiments.claims import claims
from alexnet.experiments.curves import Curve
from alexnet.experiments.jobs import Plan


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draw a figure of a claim at its full scale, its jobs being there, and return the file."""

    def draw(claim, figure, lab):
        claim = next(each for each in claims() if each.name == claim)
        data = SimpleNamespace(identity="made up")
        plan = Plan(claim, claim.full, SimpleNamespace(dataset=lambda kind, size: data))
        lab.finished = lambda job: True
        pictures.FIGURES[figure](lab, plan, tmp_path)
        return (tmp_path / f"{claim.name}-{figure}.html").read_text()

    return draw


def test_both_nets_of_figure_1_have_a_solid_and_a_dashed_curve(drawn):
    """Each net in a drawing of its own, each rate in its table."""
    lab = SimpleNamespace(curve=lambda job: Curve([1.0, 2.0], [0.5, 0.2 if job.recipe.train.rate > 1e-3 else 0.3]))
    text = drawn("relu", "curves", lab)
    nets = text.split("<svg")[1:]
    assert len(nets) == 2 and text.count("above 2") == 4 * 3
    for net, names in zip(nets, (("relu", "tanh"), ("relu-local", "tanh-local")), strict=True):
        assert net.count("<polyline") == 2 * (6 + 2)
        for name, kind in zip(names, ("solid", "dashed"), strict=True):
            assert net.count(f'class="{kind} bold"') == 3
            assert len(re.findall(f'class="{kind} .*<title>{name}, rate', net)) == 8


def test_what_codes_reach_is_told_in_a_table(drawn, monkeypatch):
    euclid = {"of": "features", "method": "Euclid", "bits": None, "bytes": 8192, "ms": 3.0, "recall": {}}
    coded = euclid | {"method": "ITQ", "bits": 64, "bytes": 8, "ms": 0.127, "recall": {"10": 0.25, "100": 0.5}}
    lines = [
        euclid | {"precision": {"1": 0.9}, "mean_average_precision": None},
        coded | {"precision": {"1": 0.8}, "mean_average_precision": 0.411},
    ]
    monkeypatch.setattr(pictures.likeness, "codes", lambda lab, job: {"codes": lines})
    text = drawn("short-codes", "qualities", SimpleNamespace())
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in text.split("<tr>")[1:]]
    assert rows == [
        ["codes of", "bits", "R@10", "R@100", "P@1", "mAP", "bytes", "ms"],
        ["features, Euclid", "", "", "", "90.0%", "", "8192", "3.00"],
        ["features, ITQ", "64", "25.0%", "50.0%", "80.0%", "41.1%", "8", "0.13"],
    ]
