"""The Python API: from prepared data to a trained run and what it says, without the command line."""

import runpy
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import small
from PIL import Image

import alexnet
from alexnet.errors import Failure

ROOT = Path(__file__).resolve().parents[2]
LAYERS = small.RECIPE.replace('"relu6"', '"relu7"')  # as the paper names the last one


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset and a run made from Python alone, and the rows that a listener got."""
    folder = tmp_path_factory.mktemp("api")
    small.write_images(folder / "images")
    alexnet.prepare(folder / "images", folder / "data", size=32, workers=1)
    (folder / "small.toml").write_text(LAYERS)
    rows = []
    recipe = alexnet.load_recipe(folder / "small.toml", {"train.rate": 0.01})
    run = folder / "runs" / "quickstart"
    result = alexnet.train(folder / "data", recipe, out=run, epochs=2, seed=4, threads=1, listeners=[rows.append])
    assert result.finished and result.run == run and result.step == 9 and result.checkpoint.is_file()
    return folder, rows, result


def test_a_listener_gets_each_row_of_the_log(made):
    _, rows, result = made
    assert rows == alexnet.open_run(result.run).log()
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 10))
    assert rows[0]["event"] == "start" and rows[0]["seed"] == 4
    assert result.best_error == min(row["val_top1_error"] for row in rows if "val_top1_error" in row)


def test_a_run_predicts_files_and_arrays_alike(made):
    folder, _, result = made
    run, data = alexnet.open_run(result.run, threads=1), alexnet.open_data(folder / "data")
    assert [each.name for each in run.classes] == ["class0", "class1", "class2"] and run.size == 32
    split = data.split("val")
    file = folder / "images" / split.names[0]
    probs = run.predict([file, split.image(0), str(file)])
    assert probs.shape == (3, 3) and probs.dtype == np.float32
    assert np.array_equal(probs[0], probs[1]) and np.array_equal(probs[0], probs[2])
    assert np.abs(probs.sum(1) - 1).max() < 1e-5
    assert not np.array_equal(run.predict([file], crops="centre"), probs[:1])
    assert run.predict([]).shape == (0, 3)


def test_many_images_are_predicted_as_each_alone(made):
    folder, _, result = made
    run, split = alexnet.open_run(result.run, threads=1), alexnet.open_data(folder / "data").split("train")
    images = [split.image(index) for index in range(30)]  # 300 views: more than are shown to the net at once
    together = run.predict(images)
    alone = np.concatenate([alexnet.open_run(result.run, threads=1).predict([image]) for image in images[::7]])
    assert np.abs(together[::7] - alone).max() < 1e-6


def test_features_are_those_of_the_layer_named(made):
    folder, _, result = made
    run, split = alexnet.open_run(result.run, threads=1), alexnet.open_data(folder / "data").split("val")
    images = [split.image(index) for index in range(3)]
    before, rectified, dropped = (run.features(images, name) for name in ("fc6", "relu7", "drop6"))
    assert before.shape == (3, 32)
    assert np.array_equal(np.maximum(before, 0), rectified) and (before < 0).any()
    assert np.allclose(dropped, rectified * np.float32(0.5), rtol=1e-6)
    logits = run.features(images, "fc8")
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.abs(softmax - run.predict(images, crops="centre")).max() < 1e-6
    assert run.features(images, "pool1").shape == (3, 8 * 5 * 5)
    assert run.features([], "pool1").shape == (0, 8 * 5 * 5)
    for asked in (images, []):
        with pytest.raises(Failure, match=r"no layer 'relu07'.*'relu7'"):
            run.features(asked, "relu07")


def test_a_look_shows_each_crop_and_the_maps_of_the_centre(made):
    folder, _, result = made
    run, split = alexnet.open_run(result.run, threads=1), alexnet.open_data(folder / "data").split("val")
    image = split.image(0)
    looked = run.predictor("ten", 1, plain=True).look(image, "relu7")
    probs, maps = looked.probs, looked.maps
    assert np.abs(probs.mean(axis=0) - run.predict([image])[0]).max() < 1e-6 and probs.shape == (10, 3)
    hidden = run.features([image], "relu7")[0]  # whose memory drop6 takes
    assert np.abs(looked.features - hidden).max() <= 1e-6 * np.abs(hidden).max()
    assert list(maps) == ["relu1", "norm1", "pool1", "relu2", "relu3", "drop6", "fc8", "loss"]
    for name, values in maps.items():
        expected = run.features([image], name)[0]  # of a single image: summed in another order
        assert np.abs(values.ravel() - expected).max() <= 1e-6 * np.abs(expected).max(), name


def test_features_see_the_centre(made):
    """What lies beyond the centre crop of 24 changes nothing."""
    folder, _, result = made
    run, split = alexnet.open_run(result.run, threads=1), alexnet.open_data(folder / "data").split("val")
    image = split.image(0).copy()
    other = image.copy()
    other[:4], other[-4:] = 0, 255
    assert np.array_equal(run.features([image], "fc6"), run.features([other], "fc6"))


def test_a_run_needs_no_dataset(made, tmp_path):
    """Copied anywhere, it predicts the same; only an evaluation asks for data."""
    folder, _, result = made
    image = next((folder / "images" / "class1").glob("*.png"))
    before = alexnet.open_run(result.run, threads=1).predict([image])
    moved = tmp_path / "moved"
    subprocess.run(["cp", "-r", result.run, moved], check=True)
    (folder / "data").rename(folder / "away")
    try:
        run = alexnet.open_run(moved, threads=1)
        assert np.array_equal(run.predict([image]), before)
        with pytest.raises(Failure, match="not there any more; name it with --data"):
            run.evaluate()
        assert run.evaluate(data=folder / "away").images == 9
    finally:
        (folder / "away").rename(folder / "data")


def test_the_exported_net_takes_bytes(made, tmp_path):
    """Pixels 0..255 of a centre crop give what the run says of it: the mean is inside."""
    folder, _, result = made
    main_arguments = [sys.executable, "-m", "alexnet", "export", str(result.run), str(tmp_path / "net.onnx")]
    subprocess.run(main_arguments, check=True, capture_output=True)
    image = alexnet.open_data(folder / "data").split("val").image(0)
    pixels = image[4:-4, 4:-4].transpose(2, 0, 1)[None].astype(np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    (probs,) = session.run(["probs"], {"image": pixels})
    assert np.abs(probs - alexnet.open_run(result.run, threads=1).predict([image], crops="centre")).max() < 1e-6


def test_evaluation_is_what_its_probabilities_say(made):
    errors = alexnet.open_run(made[2].run, threads=1).evaluate(split="val")
    assert errors.top1 == (errors.probs.argmax(1) != errors.labels).mean() and errors.top5 == 0


@pytest.mark.parametrize(
    ("image", "line"),
    [
        (np.zeros((31, 32, 3), np.uint8), r"shape \(31, 32, 3\)"),
        (np.zeros((32, 32, 3), np.float32), "float32"),
        ("nowhere.jpg", "cannot be read"),
    ],
)
def test_wrong_images_are_refused_in_one_line(made, image, line):
    with pytest.raises(Failure, match=line):
        alexnet.open_run(made[2].run, threads=1).predict([image])


def test_one_bad_file_among_many_costs_no_other(made, tmp_path):
    folder, _, result = made
    good = sorted((folder / "images" / "class0").glob("*.png"))[:2]
    (tmp_path / "bad.png").write_bytes(b"no picture")
    Image.new("RGB", (5, 9)).save(tmp_path / "odd.png")
    paths = [good[0], tmp_path / "bad.png", good[1], tmp_path / "odd.png"]
    found = list(alexnet.open_run(result.run, threads=1).predictions(paths))
    assert [each.image for each in found] == paths
    assert [bool(each.skipped) for each in found] == [False, True, False, False]
    assert "bad.png" in found[1].skipped and found[1].top() == []
    assert sum(probability for _, probability in found[0].top()) == pytest.approx(1, abs=1e-5)


def test_the_room_does_not_hide_the_function():
    code = "import alexnet.train.start, alexnet; alexnet.train('nowhere')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "there is no dataset nowhere" in done.stderr


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, alexnet; sys.exit(any(name in sys.modules for name in ('numpy', 'h5py', 'mpi4py', 'PIL')))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_example_runs_on_such_a_run(made, monkeypatch, capsys):
    monkeypatch.chdir(made[0])
    runpy.run_path(str(ROOT / "examples" / "ask_a_run.py"))
    out = capsys.readouterr().out
    assert out.count("looks like") == 8 and "features (8, 32)" in out and "top-1 error" in out


def test_the_readme_s_lines_work(made, tmp_path, monkeypatch, capsys):
    folder, _, result = made
    text = (ROOT / "README.md").read_text().partition("## From Python")[2].partition("\n[examples/")[0]
    code = textwrap.dedent("\n".join(line for line in text.splitlines() if line.startswith("    ") or not line))
    assert code.count("alexnet.") == 2 and "cli" not in code
    for name, place in (("runs/photos", result.run), ("data/photos", folder / "data")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).symlink_to(place)
    shutil.copy(next((folder / "images" / "class0").glob("*.png")), tmp_path / "apple.jpg")
    monkeypatch.chdir(tmp_path)
    recipe = str(folder / "small.toml")
    exec(code.replace('"alexnet-mini", epochs=5', f'"{recipe}", epochs=1'), {})
    out = capsys.readouterr().out
    assert "class0 " in out and "% of 9 images wrong" in out and "'event': 'end'" in out
