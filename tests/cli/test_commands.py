"""The commands' contracts: JSON on the last line, exit codes, one line an error."""

import json
import resource
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import small
from PIL import Image

import alexnet
from alexnet.data.shards import Dataset
from alexnet.recipe import header, load
from alexnet.runs.checkpoint import Shelf, read
from alexnet.runs.log import read as read_log


@pytest.fixture(scope="module")
def run(workshop, tmp_path_factory):
    path = tmp_path_factory.mktemp("commands") / "run"
    workshop.train(path, "--procs", 2, "--epochs", 3)
    return path


def test_help_is_instant():
    """It takes little more than the library that draws it: by processor time, for busy cores are slower."""

    def spent(*arguments):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    pairs = [(spent("-m", "alexnet", "--help"), spent("-c", "import typer.rich_utils")) for _ in range(3)]
    assert min(helps for helps, _ in pairs) < 2.2 * min(draws for _, draws in pairs)
    code = "import sys, alexnet.cli; sys.exit(any(name in sys.modules for name in ('numpy', 'h5py', 'mpi4py', 'PIL')))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_log_rebuilds_the_run(workshop, run):
    first = read_log(run / "log.jsonl")[0]
    assert {"commit", "versions", "device", "command", "seed"} <= first.keys()
    assert first["command"][1:3] == ["train", str(workshop.data)] and first["command"][-2:] == ["--epochs", "3"], (
        "no option twice"
    )
    steps = [row for row in read_log(run / "log.jsonl") if "loss" in row]
    assert [row["step"] for row in steps] == list(range(1, len(steps) + 1))
    assert {"step", "epoch", "loss", "images_per_s", "rate"} <= steps[0].keys()
    assert [row["step"] for row in read_log(run / "log.jsonl") if "val_top1_error" in row] == [5, 9, 13]


def test_eval(workshop, run, tmp_path):
    done = workshop.alexctl("eval", run, "--json", "--probs", tmp_path / "p.npz")
    found = json.loads(done.stdout.splitlines()[-1])
    split = Dataset(workshop.data).split("val")
    assert found.keys() == {"top1_error", "top5_error", "images", "crops"}
    assert found["images"] == len(split) and found["crops"] == "ten" and found["top5_error"] == 0
    with np.load(tmp_path / "p.npz") as file:
        probs, labels = file["probs"], file["labels"]
    assert probs.dtype == np.float32 and (labels == split.labels).all()
    assert found["top1_error"] == (probs.argmax(1) != labels).mean()
    assert np.abs(probs.sum(1) - 1).max() < 1e-5


def test_eval_averages_runs(workshop, run, tmp_path):
    other = tmp_path / "other"
    workshop.train(other, "--procs", 1, "--epochs", 1, "--seed", 5)
    parts = []
    for index, runs in enumerate(([run], [other], [run, other])):
        workshop.alexctl("eval", *runs, "--probs", tmp_path / f"{index}.npz")
        with np.load(tmp_path / f"{index}.npz") as file:
            parts.append(file["probs"])
    assert np.abs((parts[0] + parts[1]) / 2 - parts[2]).max() < 1e-6
    assert np.abs(parts[0] - parts[1]).max() > 1e-3


def test_predict(workshop, run, tmp_path):
    image = next((workshop.folder / "images" / "class1").glob("*.png"))
    done = workshop.alexctl("predict", run, image, "--json")
    top = json.loads(done.stdout.splitlines()[-1])["predictions"][0]["top"]
    assert {each["class"] for each in top} == {"class0", "class1", "class2"}
    assert sum(each["probability"] for each in top) == pytest.approx(1, abs=1e-5)


def test_figures(workshop, run, tmp_path):
    workshop.alexctl("figures", run, "--out", tmp_path)
    for name in ("kernels", "predictions", "neighbours", "training"):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert np.asarray(image.convert("L")).std() > 5, f"{name} is blank"


def test_export_and_init(workshop, run, tmp_path):
    workshop.alexctl("export", run, tmp_path / "w.safetensors")
    workshop.alexctl("export", run, tmp_path / "net.onnx")
    again = tmp_path / "again"
    workshop.train(
        again, "--procs", 2, "--steps", 1, "--set", "train.rate=0", "--init", f"{tmp_path / 'w.safetensors'}:conv*"
    )
    trained, begun = read(Shelf(run).named("best")).weights, read(Shelf(again).named("latest")).weights
    for name, values in begun.items():
        assert np.array_equal(values, trained[name]) == name.startswith("conv"), name


def test_frozen_layers_and_rates(workshop, tmp_path):
    workshop.train(tmp_path / "a", "--procs", 1, "--steps", 1, "--set", "train.rate=0")
    frozen = ("--set", "net.conv1.rate_times=0", "--set", "net.conv1.bias_rate_times=0")
    workshop.train(tmp_path / "b", "--procs", 1, "--steps", 3, *frozen)
    first, later = (read(Shelf(tmp_path / name).named("latest")).weights for name in "ab")
    for name in first:
        assert np.array_equal(first[name], later[name]) == name.startswith("conv1"), name


def test_rate_by_hand(workshop, tmp_path):
    run = tmp_path / "run"
    endless = ("--epochs", 4000, "--set", "train.patience=4000")
    process = workshop.start(
        "train", workshop.data, "--recipe", workshop.recipe, "--procs", 2, "--threads", 1, "--out", run, *endless
    )
    while not (run / "log.jsonl").exists() or not any("loss" in row for row in read_log(run / "log.jsonl")):
        assert process.poll() is None
        time.sleep(0.02)
    workshop.alexctl("control", run, "--set", "train.rate=0.0005")
    refused = workshop.alexctl("control", run, "--set", "train.batch=3", code=1)
    assert "train.batch" in refused.stderr
    while "loss" not in read_log(run / "log.jsonl")[-1] or not any(
        row.get("event") == "control" for row in read_log(run / "log.jsonl")
    ):
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    process.communicate(timeout=120)
    rows = read_log(run / "log.jsonl")
    (by_hand,) = [row for row in rows if row.get("event") == "control"]
    assert by_hand["set"] == {"train.rate": 0.0005}
    rates = {row["step"] > by_hand["step"]: row["rate"] for row in rows if "rate" in row}
    assert rates[True] == 0.0005 and rates[False] == 0.02
    assert read(Shelf(run).named("latest")).state["changes"] == {"train.rate": 0.0005}


def test_rate_by_epochs_and_plateau(workshop, tmp_path):
    by_epochs = ("--set", "train.schedule=epochs", "--set", "train.drop_epochs=[1, 2]")
    workshop.train(tmp_path / "epochs", "--procs", 1, "--epochs", 3, *by_epochs)
    rates = [row["rate"] for row in read_log(tmp_path / "epochs" / "log.jsonl") if "rate" in row]
    assert rates == pytest.approx([0.02] * 5 + [0.002] * 4 + [0.0002] * 4)
    # A rate of 0 never improves: patience 2, three drops, then the end after 1 + 2 * 4 epochs.
    workshop.train(tmp_path / "plateau", "--procs", 1, "--epochs", 50, "--set", "train.rate=0")
    drops = [row["drops"] for row in read_log(tmp_path / "plateau" / "log.jsonl") if "drops" in row]
    assert drops == [0, 0, 1, 1, 2, 2, 3, 3, 3]


def test_the_last_checkpoints_and_the_best_are_kept(workshop, tmp_path):
    workshop.train(tmp_path, "--procs", 1, "--epochs", 6, "--set", "train.checkpoints_kept=2")
    shelf = Shelf(tmp_path)
    kept = shelf.all()
    assert len(kept) in (2, 3)
    assert {*kept} == {*kept[-2:], shelf.named("best")}
    assert shelf.named("latest") == kept[-1]


WRONG = {
    "no data": ("train", "nowhere"),
    "no recipe": ("train", "{data}", "--recipe", "alexnett"),
    "no key": ("train", "{data}", "--recipe", "{recipe}", "--set", "train.batchs=3"),
    "bad value": ("train", "{data}", "--recipe", "{recipe}", "--set", "train.batch=many"),
    "no gpu": ("train", "{data}", "--recipe", "{recipe}", "--gpus", "0,1"),
    "three processes": ("train", "{data}", "--recipe", "{recipe}", "--procs", "3"),
    "small images": ("train", "{data}", "--recipe", "alexnet"),
    "too many offsets": ("train", "{data}", "--recipe", "{recipe}", "--set", "augment.offsets=10", "--procs", "2"),
    "no weights": ("train", "{data}", "--recipe", "{recipe}", "--init", "none.safetensors", "--procs", "2"),
    "no run": ("eval", "nowhere"),
    "no split": ("eval", "{run}", "--split", "test"),
    "no image": ("predict", "{run}", "none.jpg"),
    "not an image": ("predict", "{run}", "{recipe}"),
    "no such form": ("export", "{run}", "weights.bin"),
    "no folder": ("export", "{run}", "none/weights.safetensors"),
    "no images": ("prep", "nowhere"),
    "a run in use": ("train", "{data}", "--recipe", "{recipe}", "--out", "{run}"),
    "another seed": ("train", "{data}", "--out", "{run}", "--resume", "--seed", "9"),
    "another recipe": (
        "train",
        "{data}",
        "--out",
        "{run}",
        "--resume",
        "--recipe",
        "{recipe}",
        "--set",
        "train.batch=9",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input(workshop, run, name):
    values = {"data": workshop.data, "recipe": workshop.recipe, "run": run}
    done = workshop.alexctl(*(word.format(**values) for word in WRONG[name]), code=1)
    said = done.stderr.splitlines()
    assert sum(line.startswith("alexctl: ") for line in said) == 1, done.stderr
    assert said[-1].startswith("alexctl: ") and done.stdout == ""
    assert "mistake" not in said[-1]


def test_no_gpu_names_the_cpu(workshop):
    done = workshop.alexctl("train", workshop.data, "--gpus", "0,1", code=1)
    assert "--device cpu" in done.stderr and "NVIDIA" in done.stderr and len(done.stderr.splitlines()) == 1


def test_wrong_usage(workshop):
    assert "--epochs" in workshop.alexctl("train", "--epochs", "none", code=2).stderr


@pytest.mark.parametrize("command", ["train", "eval", "prep"])
def test_without_arguments_says_what_is_looked_for(workshop, tmp_path, command):
    done = subprocess.run(
        [sys.executable, "-m", "alexnet", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "alexctl" in done.stderr.removeprefix("alexctl: ")


def test_doctor(workshop):
    done = workshop.alexctl("doctor", "--json")
    *lines, last = done.stdout.splitlines()
    found = json.loads(last)
    assert "MPICH" in found["mpi"] and found["engine"]
    assert [line.split()[0] for line in lines] == [name.split()[0] for name in found] and done.stderr == ""


def test_prep_in_parts(workshop, tmp_path):
    """Two parts and a call that joins give what one call gave."""
    out, source = tmp_path / "data", workshop.folder / "images"
    for part in ("2/2", "1/2"):
        done = workshop.alexctl("prep", source, "--out", out, "--size", 32, "--workers", 1, "--part", part)
        assert f"part {part} is there" in done.stderr
    assert "stats.h5 is missing" in workshop.alexctl("train", out, "--recipe", workshop.recipe, code=1).stderr
    done = workshop.alexctl("prep", source, "--out", out, "--size", 32, "--workers", 1)
    assert "(nothing was left to make)" in done.stderr
    for file in workshop.data.glob("*.h5"):
        assert (out / file.name).read_bytes() == file.read_bytes()


def test_prep_max_skipped(workshop, tmp_path):
    """A tenth of the images unreadable: too many as it is, and as many as are allowed."""
    source = tmp_path / "images"
    small.write_images(source, per_class=10)
    for label in range(small.CLASSES):
        (source / f"class{label}" / "004.png").write_bytes(b"junk")
    call = ("prep", source, "--out", tmp_path / "data", "--size", 32, "--workers", 1)
    said = workshop.alexctl(*call, code=1).stderr
    assert "of 30 images cannot be decoded, more than 5%" in said and "--max-skipped" in said
    said = workshop.alexctl(*call, "--max-skipped", "0.09", code=1).stderr
    assert "3 of 30 images cannot be decoded, more than 9%" in said
    said = workshop.alexctl(*call, "--max-skipped", "0.1").stderr
    assert "3 skipped, listed in" in said
    assert sum(Dataset(tmp_path / "data").counts.values()) == 27
    workshop.alexctl(*call, "--max-skipped", "1.5", code=2)


def test_runs_are_listed(workshop, run):
    done = workshop.alexctl("runs", run.parent, "--json")
    heading, line, objects = done.stdout.splitlines()
    assert heading.split() == ["run", "recipe", "data", "epoch", "best", "state"]
    assert line.split()[:3] == ["run", "small", "data"] and line.split()[-1] == "finished"
    (entry,) = json.loads(objects)["runs"]
    assert entry["state"] == "finished" and entry["epoch"] >= 3
    assert "no runs here" in workshop.alexctl("runs", workshop.data, code=1).stderr


def test_a_recipe_is_printed_as_a_file_to_edit(workshop, tmp_path):
    done = workshop.alexctl("recipes", "alexnet-mini", "--toml", "--set", "train.batch=64")
    (tmp_path / "mine.toml").write_text(done.stdout)
    assert load(tmp_path / "mine.toml") == load("alexnet-mini", ["train.batch=64"])
    assert header(tmp_path / "mine.toml") == header("alexnet-mini")


def test_the_version(workshop):
    assert workshop.alexctl("--version").stdout == f"alexctl {alexnet.__version__}\n"


def test_predict_names_classes_that_share_a_name_by_their_id(workshop, tmp_path):
    """Two of ImageNet's classes are called crane."""
    source = workshop.folder / "images"
    names = tmp_path / "images"
    for index in range(3):
        for split in ("train", "val"):
            shutil.copytree(source / f"class{index}", names / split / f"n0000000{index}")
    (names / "LOC_synset_mapping.txt").write_text("n00000000 crane\nn00000001 crane\nn00000002 gull\n")
    workshop.alexctl("prep", names, "--out", tmp_path / "data", "--size", 32)
    run = tmp_path / "run"
    command = ("train", tmp_path / "data", "--recipe", workshop.recipe, "--device", "cpu", "--procs", 1)
    workshop.alexctl(*command, "--steps", 1, "--out", run)
    images = sorted((source / "class0").glob("*.png"))[:1]
    done = workshop.alexctl("predict", run, *images, "--json", "--device", "cpu")
    text, objects = done.stdout.splitlines()
    top = json.loads(objects)["predictions"][0]["top"]
    assert {each["id"] for each in top} == {"n00000000", "n00000001", "n00000002"}
    assert sorted(each["index"] for each in top) == [0, 1, 2]
    assert {each["class"] for each in top} == {"crane", "gull"}
    assert "crane (n00000000)" in text and "crane (n00000001)" in text and "gull (" not in text


def test_predict_goes_on_past_a_bad_image(workshop, run, tmp_path):
    good = sorted((workshop.folder / "images" / "class0").glob("*.png"))[:2]
    (tmp_path / "bad.png").write_bytes(b"nothing")
    done = workshop.alexctl("predict", run, good[0], tmp_path / "bad.png", good[1], "--json", code=1)
    assert len(json.loads(done.stdout.splitlines()[-1])["predictions"]) == 2
    assert done.stderr.count("bad.png") == 1
