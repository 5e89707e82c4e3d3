"""Evaluation and prediction against the reference: views, their average, dropout's factor, the mean, the ranks.

Probabilities agree within 1e-5: they are at most 1, and float32's rounding in a net this small was at most 1e-6.
"""

import json
import shutil

import h5py
import numpy as np
import onnx
import pytest
from command import alexctl
from reference import trainer
from reference.pairs import STEPS

import alexnet

CPU = ("--device", "cpu", "--threads", 1)
BOUND = 1e-5


def evaluated(tmp_path, *arguments):
    """The JSON and the probabilities of `alexctl eval`."""
    done = alexctl("eval", *arguments, *CPU, "--json", "--probs", tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz") as file:
        return json.loads(done.stdout.splitlines()[-1]), file["probs"], file["labels"]


def best(pairs, name):
    """The reference at its best validation."""
    reference = pairs.training(name)
    reference.run(pairs.trained(name).reference.best_step)
    return reference


@pytest.mark.parametrize("crops", ["ten", "centre"])
@pytest.mark.parametrize("name", ["paper", "authors", "cifar"])
def test_probabilities_and_errors_of_the_best_checkpoint(pairs, tmp_path, name, crops):
    reference = best(pairs, name)
    found, probs, labels = evaluated(tmp_path, pairs.trained(name).run, "--crops", crops)
    assert np.abs(probs - reference.probs("val", crops)).max() <= BOUND
    assert (labels == reference.data.labels["val"]).all()
    rates = {f"top{k}_error": trainer.misses(probs, labels, k) for k in (1, 5)}
    assert found == rates | {"images": len(labels), "crops": crops}
    assert 0 < found["top5_error"] < found["top1_error"]
    views = reference.crops(crops)
    each = np.stack([trainer.softmax(reference.see("val", *view)) for view in views])
    assert len(views) == (10 if crops == "ten" else 1)
    apart = [np.abs(one - other).max() for at, one in enumerate(each) for other in each[:at]]
    assert min(apart, default=1) > 100 * BOUND, "no view may stand for another"


def test_without_a_best_the_latest_is_taken_with_what_held_then(pairs, tmp_path):
    """The recipe's events had changed the dropout, and so its factor at test, when the last checkpoint was written."""
    run = shutil.copytree(pairs.trained("paper").run, tmp_path / "run")
    (run / "best").unlink()
    probs = evaluated(tmp_path, run)[1]
    reference = pairs.trained("paper").reference
    assert reference.step == STEPS and reference.now["dropout"] != reference.recipe["dropout"]
    assert np.abs(probs - reference.probs("val", "ten")).max() <= BOUND
    alexctl("export", run, tmp_path / "net.onnx")
    constants = {
        each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(tmp_path / "net.onnx").graph.initializer
    }
    assert constants["drop4.keep"] == pytest.approx(1 - reference.now["dropout"])


def test_the_training_images_and_several_runs(pairs, tmp_path):
    names = ("paper", "authors", "still")
    runs = [pairs.trained(name).run for name in names]
    found, probs, labels = evaluated(tmp_path, *runs, "--split", "train", "--crops", "centre")
    mean = np.mean([best(pairs, name).probs("train", "centre") for name in names], axis=0)
    assert np.abs(probs - mean).max() <= BOUND
    assert found["images"] == len(labels) == len(mean)


@pytest.mark.parametrize("layer", ["relu1", "relu4", "drop4"])
def test_features_are_the_layers_outputs_of_the_centre_crop(pairs, layer):
    """Of a layer and not of what lies above it in the same memory; with the factor for dropout above it only."""
    reference = best(pairs, "paper")
    images = reference.data.images["val"]
    found = alexnet.open_run(pairs.trained("paper").run, threads=1).features(list(images), layer)
    reference.see("val", *reference.crops("centre")[0])
    wanted = reference.net.outputs[layer].reshape(len(images), -1)
    assert np.abs(found - wanted).max() <= BOUND * np.abs(wanted).max()


def test_a_prediction_is_the_five_most_probable_of_an_image_file(pairs):
    reference = best(pairs, "paper")
    with h5py.File(pairs.data / "val-00000.h5") as file:
        names = [name.decode() if isinstance(name, bytes) else name for name in file["names"][...]]
    files = [next(pairs.images.rglob(f"*{name}*")) for name in names[:3]]
    done = alexctl("predict", pairs.trained("paper").run, *files, *CPU, "--json")
    found = json.loads(done.stdout.splitlines()[-1])["predictions"]
    probs = reference.probs("val", "ten")
    for each, file, row in zip(found, files, probs, strict=False):
        ranked = np.argsort(-row, kind="stable")[:5]
        assert each["image"] == str(file)
        assert [one["class"] for one in each["top"]] == [f"class{index}" for index in ranked]
        assert [one["probability"] for one in each["top"]] == pytest.approx(row[ranked].tolist(), abs=BOUND)


def test_other_classes_are_refused(pairs, tmp_path):
    """As many, and images of the same size, but others."""
    images = shutil.copytree(pairs.images, tmp_path / "images")
    (images / "class3").rename(images / "another")
    alexctl("prep", images, "--out", tmp_path / "data", "--size", 20, "--workers", 1, "--val-share", 0.35)
    refused = alexctl("eval", pairs.trained("paper").run, "--data", tmp_path / "data", *CPU, code=1)
    assert "classes" in refused.stderr
