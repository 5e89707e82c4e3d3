"""`alexctl predict` and `eval --report` on many images, good and bad."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
from command import alexctl

from alexnet.predict.run import open_run


@pytest.fixture(scope="module")
def photos(workshop, tmp_path_factory):
    """Forty images, one of them none: more than are shown to the net at once."""
    folder = tmp_path_factory.mktemp("photos")
    for number, path in enumerate(sorted((workshop.folder / "images").rglob("*.png"))[::2][:39]):
        shutil.copy(path, folder / f"{number:02d}.png")
    (folder / "17b.png").write_bytes(b"no picture")
    return folder


def test_a_folder_is_predicted_and_one_bad_image_costs_no_other(trained, photos, tmp_path):
    done = alexctl(
        "predict", trained, photos, "--top", 2, "--csv", tmp_path / "p.csv", "--json", "--device", "cpu", code=1
    )
    found = json.loads(done.stdout.splitlines()[-1])["predictions"]
    assert [each["image"] for each in found] == [str(photos / f"{number:02d}.png") for number in range(39)]
    assert all(len(each["top"]) == 2 for each in found) and done.stderr.count("17b.png") == 1
    probs = open_run(trained).predict([each["image"] for each in found])
    for each, expected in zip(found, probs, strict=True):
        assert [top["index"] for top in each["top"]] == np.argsort(-expected, kind="stable")[:2].tolist()
        assert each["top"][0]["probability"] == pytest.approx(expected.max(), abs=1e-6)
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    flat = [(each["image"], top["id"], top["probability"]) for each in found for top in each["top"]]
    assert [(row["image"], row["id"], float(row["probability"])) for row in rows] == flat
    assert [row["rank"] for row in rows] == ["1", "2"] * 39


def test_the_centre_crop_alone(trained, photos, tmp_path):
    (tmp_path / "list").write_text(f"{photos / '03.png'}\n{photos / '04.png'}\n")
    done = alexctl("predict", trained, "--list", tmp_path / "list", "--crops", "centre", "--json", "--device", "cpu")
    found = json.loads(done.stdout.splitlines()[-1])["predictions"]
    expected = open_run(trained).predict([photos / "03.png", photos / "04.png"], crops="centre")
    assert [each["top"][0]["probability"] for each in found] == pytest.approx(expected.max(axis=1), abs=1e-6)


def test_a_name_may_be_any_bytes(trained, photos, tmp_path):
    image = tmp_path / os.fsdecode(b"caf\xe9.png")
    shutil.copy(photos / "03.png", image)
    alexctl("predict", trained, image, "--csv", tmp_path / "p.csv", "--crops", "centre", "--device", "cpu")
    assert (tmp_path / "p.csv").read_bytes().count(b"caf\xe9.png") == 3


def test_nothing_to_predict(trained):
    assert "--list" in alexctl("predict", trained, code=1).stderr


def test_each_class_is_reported(workshop, trained, tmp_path):
    for name in ("e.html", "e.json"):
        alexctl("eval", trained, "--report", tmp_path / name, "--device", "cpu")
    found = json.loads((tmp_path / "e.json").read_text())
    done = alexctl("eval", trained, "--json", "--device", "cpu")
    matrix = np.array(found["matrix"])
    assert 1 - matrix.trace() / matrix.sum() == pytest.approx(json.loads(done.stdout.splitlines()[-1])["top1_error"])
    text = (tmp_path / "e.html").read_text()
    assert all(f"class{number}" in text for number in range(3)) and f"{100 * found['top1_error']:.2f} %" in text
    refused = alexctl("eval", trained, "--report", tmp_path / "e.pdf", "--device", "cpu", code=1)
    assert "e.pdf" in refused.stderr and ".html or .json" in refused.stderr


def test_an_evaluation_in_a_run_s_folder_is_part_of_its_page(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    alexctl("eval", run, "--report", run / "eval-val.json", "--device", "cpu")
    alexctl("report", run)
    text = (run / "report.html").read_text()
    assert "eval-val" in text and "Errors of each class" in text and text.count("<img") == 3
    (run / "eval-val.json").write_text("[]")
    assert "eval-val.json" in alexctl("report", run, code=1).stderr
