"""From a run and its dataset to features and neighbours, as the commands do it."""

import json

import numpy as np
import pytest

import alexnet
from alexnet.recipe import load
from alexnet.retrieval.features import Features


@pytest.fixture(scope="module")
def run(workshop, tmp_path_factory):
    path = tmp_path_factory.mktemp("extract") / "run"
    workshop.train(path, "--procs", 1, "--steps", 6)
    return path


def test_features_and_their_neighbours(workshop, run, tmp_path):
    for split in ("train", "val"):
        workshop.alexctl("features", run, "--out", tmp_path / f"{split}.h5", "--split", split, "--device", "cpu")
    train, data = Features(tmp_path / "train.h5"), alexnet.open_data(workshop.data)
    images = [data.split("train").image(index) for index in range(len(data.split("train")))]
    wanted = alexnet.open_run(run, threads=1).features(images, "relu6")
    assert train.origin.layer == "relu6" and np.array_equal(train.labels, data.split("train").labels)
    assert np.abs(train.all() - wanted).max() <= 2**-11 * np.abs(wanted).max()
    done = workshop.alexctl(
        "neighbours", tmp_path / "train.h5", tmp_path / "val.h5", "-k", 5, "--json", "--out", tmp_path / "n.npz"
    )
    found = json.loads(done.stdout.splitlines()[-1])
    rows, queries = train.all().astype(np.float64), Features(tmp_path / "val.h5").all().astype(np.float64)
    nearest = np.argsort(((rows[None] - queries[:, None]) ** 2).sum(2), axis=1, kind="stable")[:, :5]
    with np.load(tmp_path / "n.npz") as file:
        assert np.array_equal(file["indices"], nearest)
    assert found["precision"] == (train.labels[nearest] == data.split("val").labels[:, None]).mean()


def test_features_of_another_layer_are_not_overwritten(workshop, run, tmp_path):
    workshop.alexctl("features", run, "--out", tmp_path / "f.h5", "--split", "val", "--device", "cpu")
    again = ("features", run, "--out", tmp_path / "f.h5", "--split", "val", "--device", "cpu")
    workshop.alexctl(*again)
    refused = workshop.alexctl(*again, "--layer", "pool1", code=1)
    assert "holds features of something else" in refused.stderr
    assert "no layer 'fc77'" in workshop.alexctl(*again[:3], tmp_path / "g.h5", "--layer", "fc77", code=1).stderr


@pytest.mark.parametrize(
    ("recipe", "changes", "layer"),
    [("alexnet", [], "relu7"), ("alexnet", ["net.relu7.kind=tanh"], "relu7"), ("cifar-relu", [], "act3")],
)
def test_the_last_hidden_layer(recipe, changes, layer):
    assert load(recipe, changes).net.last_hidden == layer
