"""Which pictures a run has, and what its classes are called there."""

from dataclasses import replace

import pytest

import alexnet
from alexnet.figures import gallery
from alexnet.pages import report

DENSE = """
[net]
columns = 1
crop = 24
layers = [
  { fc = "fc1", units = 8, std = "he" },
  { relu = "relu1" },
  { fc = "fc2", units = "classes" },
  { softmax = "loss" },
]

[augment]
offsets = 8

[train]
batch = 20
"""
FIGURES = ("kernels_figure", "predictions_figure", "neighbours_figure", "training_figure")


@pytest.fixture
def given(monkeypatch):
    """What each picture would be drawn of; nothing is drawn."""
    found = {}
    for name in FIGURES:
        monkeypatch.setattr(gallery, name, lambda *what, name=name: found.setdefault(name, what))
    return found


@pytest.mark.parametrize("first", ["", '  { local = "local1", kernels = 2, size = 5, stride = 5, std = "he" },\n'])
def test_a_net_whose_lowest_weights_are_no_convolution_s_has_no_kernels_to_show(first, workshop, tmp_path, given):
    """A convolution above others sees maps, not colours."""
    text = DENSE.replace('  { fc = "fc1"', f'{first}  {{ conv = "conv1", kernels = 2, size = 3 }},\n  {{ fc = "fc1"')
    (tmp_path / "dense.toml").write_text(text if first else DENSE)
    alexnet.train(workshop.data, tmp_path / "dense.toml", out=tmp_path / "run", steps=1, threads=1)
    run = alexnet.open_run(tmp_path / "run", threads=1)
    assert [path.name for path in gallery.draw(run)] == ["predictions.png", "neighbours.png", "training.png"]
    assert list(given) == list(FIGURES[1:])
    report.report([tmp_path / "run"], tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().count("<img") == 1


def test_classes_of_one_name_are_told_apart(trained, tmp_path, given):
    run = alexnet.open_run(trained, threads=1)
    crane, other = replace(run.classes[0], name="crane", id="n02"), replace(run.classes[1], name="crane", id="n03")
    run.classes = (crane, other, run.classes[2])
    list(gallery.draw(run, out=tmp_path))
    called = ["crane (n02)", "crane (n03)", "class2"]
    assert list(given) == list(FIGURES) and given["predictions_figure"][3] == called
    *_, queries, found = given["neighbours_figure"]
    assert {*queries, *(name for row in found for name in row)} <= {*called}
