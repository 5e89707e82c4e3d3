"""`figures --errors-only`: the images that the net gets wrong, and no others."""

import contextlib

import numpy as np
import pytest
from command import alexctl
from PIL import Image

from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from alexnet.figures import gallery
from alexnet.predict.run import open_run


def always(label):
    """A net that takes every image for one class."""
    return lambda images, crops="ten": np.tile(np.eye(3, dtype=np.float32)[label], (len(images), 1))


def test_only_what_is_wrong_is_shown(workshop, trained, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(gallery, "predictions_figure", lambda *what: given.append(what))
    run, split = open_run(trained), Dataset(workshop.data).split("val")
    monkeypatch.setattr(run, "predict", always(1))
    assert gallery.draw_errors(run, out=tmp_path) == tmp_path / "errors.png"
    ((images, labels, probs, names, _),) = given
    wrong = [index for index in range(len(split)) if split.labels[index] != 1]
    assert labels == [split.labels[index] for index in wrong] and names == ["class0", "class1", "class2"]
    assert all((image == split.image(index)).all() for image, index in zip(images, wrong, strict=True))
    assert probs.shape == (len(wrong), 3)


def test_whoever_waits_is_told_how_far_it_is(trained, tmp_path, monkeypatch):
    told = []

    @contextlib.contextmanager
    def progress(title, total):
        counts = []
        yield lambda count, note="": counts.append(count)
        told.append((title, total, sum(counts)))

    for name in ("kernels", "predictions", "neighbours", "training"):
        monkeypatch.setattr(gallery, f"{name}_figure", lambda *what: None)
    run = open_run(trained)
    split, train = (len(run.trained.dataset(None).split(name)) for name in ("val", "train"))
    monkeypatch.setattr(run, "predict", always(1))
    gallery.draw_errors(run, out=tmp_path, progress=progress)
    list(gallery.draw(run, out=tmp_path, progress=progress))
    assert told == [("looking for errors", split, split), ("neighbours", train, train)]


def test_a_net_that_is_always_right(workshop, trained, tmp_path, monkeypatch):
    run, split = open_run(trained), Dataset(workshop.data).split("val")
    monkeypatch.setattr(run, "predict", lambda images: np.eye(3, dtype=np.float32)[split.labels])
    with pytest.raises(Failure, match="gets every val image right"):
        gallery.draw_errors(run, out=tmp_path)


def test_the_command(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("alexnet.predict.run.Run.predict", lambda self, images: always(0)(images))
    alexctl("figures", trained, "--errors-only", "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["errors.png"]
    with Image.open(tmp_path / "errors.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
