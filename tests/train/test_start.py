"""What a training is settled to be: nothing begins anew, nothing is lost, nothing is mixed up."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import pytest
import small

from alexnet.data.shards import Dataset
from alexnet.errors import Failure
from alexnet.files import locked
from alexnet.machine.hardware import Wanted
from alexnet.predict.run import open_run
from alexnet.recipe import load
from alexnet.runs import directory, log
from alexnet.runs.checkpoint import Shelf, read, read_state, write
from alexnet.train.start import Options, settle, train

ALONE = Wanted(device="cpu", procs=1, threads=1)


@pytest.fixture(scope="module")
def begun(workshop, tmp_path_factory) -> Path:
    """A run of 12 steps with checkpoints after 4, 5, 8, 9 and 12."""
    run = tmp_path_factory.mktemp("start") / "run"
    train(options(workshop, run, steps=12))
    return run


def options(workshop, run: Path, **more) -> Options:
    given = {"data": workshop.data, "recipe": workshop.recipe, "wanted": ALONE} | more
    return Options(out=run, **given)


@pytest.fixture
def run(begun, tmp_path) -> Path:
    """A copy to damage."""
    shutil.copytree(begun, tmp_path / "run")
    return tmp_path / "run"


def spoil(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-100, 2)
        file.write(b"?" * 50)


def shelf(run: Path) -> list[str]:
    return [path.name for path in Shelf(run).all()]


def test_a_lost_pointer_takes_the_newest_checkpoint(workshop, run):
    (run / "latest").unlink()
    resumed = settle(options(workshop, run, resume=True)).resumed
    assert resumed.path.name == "step-00000012.h5" and "`latest` is lost" in resumed.note


@pytest.mark.parametrize("how", ["damaged", "deleted"])
def test_a_lost_checkpoint_takes_the_newest_whole_one(workshop, begun, run, how):
    """The run goes on from there and ends as if nothing had been; its log keeps every row up to there."""
    newest = Shelf(run).named("latest")
    if how == "damaged":
        spoil(newest)
    else:
        newest.unlink()
    rows: list[dict] = []
    result = train(options(workshop, run, resume=True, steps=12), [rows.append])
    assert rows[0]["step"] == 9 and "step-00000009.h5" in rows[0]["notes"][0]
    assert result.step == 12 and newest.is_file()
    with h5py.File(newest) as one, h5py.File(Shelf(begun).named("latest")) as other:
        assert all((one["weights"][name][()] == other["weights"][name][()]).all() for name in other["weights"])
    steps = [row["step"] for row in log.read(run / "log.jsonl") if "loss" in row]
    assert steps == list(range(1, 13))


def test_no_whole_checkpoint_is_refused_and_loses_nothing(workshop, run):
    for path in Shelf(run).all():
        spoil(path)
    before = (run / "log.jsonl").read_text()
    with pytest.raises(Failure, match="none of its 4 checkpoints is whole"):
        train(options(workshop, run, resume=True))
    assert (run / "log.jsonl").read_text() == before and len(shelf(run)) == 4


def test_an_empty_shelf_begins_at_the_start(workshop, tmp_path):
    assert settle(options(workshop, tmp_path / "new", resume=True)).resumed is None


def test_without_resume_a_run_is_left_alone(workshop, run):
    (run / "latest").unlink()
    with pytest.raises(Failure, match="already holds a run"):
        train(options(workshop, run))


@pytest.fixture(scope="module")
def made_anew(workshop, tmp_path_factory) -> Path:
    """The same images, divided otherwise."""
    folder = tmp_path_factory.mktemp("anew") / "data"
    workshop.alexctl("prep", workshop.folder / "images", "--out", folder, "--size", 32, "--seed", 1)
    assert Dataset(folder).counts == Dataset(workshop.data).counts
    return folder


def test_resuming_on_other_data_is_refused(workshop, run, made_anew):
    with pytest.raises(Failure, match=r"is not the dataset that .* began with"):
        train(options(workshop, run, resume=True, data=made_anew))
    assert settle(options(workshop, run, resume=True, data=workshop.data)).resumed


def test_data_that_has_moved_is_asked_for(workshop, run, tmp_path):
    """Not: make it anew. That would be another dataset."""
    gone = tmp_path / "gone"
    for path in Shelf(run).all():
        state, arrays = (found := read(path)).state, found.weights
        write(path, state | {"data": str(gone)}, ((name, arrays[name], found.momenta[name]) for name in arrays))
    with pytest.raises(Failure, match=rf"^{gone}: .* not there any more; name it: alexctl train DATA --out {run} --re"):
        settle(options(workshop, run, resume=True, data=None))
    with pytest.raises(Failure, match=rf"^{gone}: .* not there any more; name it with --data$"):
        open_run(run).evaluate()
    assert settle(options(workshop, run, resume=True)).data.path == workshop.data
    assert open_run(run).evaluate(data=workshop.data).images == 9


def test_evaluating_on_data_made_anew_is_refused_or_told(workshop, run, made_anew):
    """Without a word the errors would be those of images that were trained on."""
    told = workshop.alexctl("eval", run, "--device", "cpu", "--data", made_anew)
    assert "note:" in told.stderr and "may have been trained on" in told.stderr
    away = workshop.data.with_name("away")
    workshop.data.rename(away)
    made_anew.rename(workshop.data)
    try:
        assert "was made again" in workshop.alexctl("eval", run, "--device", "cpu", code=1).stderr
    finally:
        workshop.data.rename(made_anew)
        away.rename(workshop.data)


def test_a_resumed_run_keeps_its_recipe(workshop, run):
    with pytest.raises(Failure, match="began with another recipe"):
        settle(options(workshop, run, resume=True, changes=("train.rate=0.5",)))
    with pytest.raises(Failure, match="began with another recipe"):
        settle(options(workshop, run, resume=True, recipe="alexnet"))
    kept = settle(options(workshop, run, resume=True, recipe=None, changes=("train.rate=0.02",)))
    assert kept.recipe == load(workshop.recipe)
    with pytest.raises(Failure, match="began with --seed 0"):
        settle(options(workshop, run, resume=True, seed=3))


def test_two_trainings_of_one_run(workshop, run):
    """The second ends at once with a line, and nothing of the first one's is touched."""
    before = (run / "log.jsonl").read_text()
    with locked(run / directory.LOCK, "held"):
        done = workshop.train(run, "--procs", 1, "--resume", "--steps", 20, code=1)
        assert "another process trains it" in done.stderr and done.stderr.count("alexctl: ") == 1
        assert (run / "log.jsonl").read_text() == before
    workshop.train(run, "--procs", 1, "--resume", "--steps", 13)


def test_a_run_that_another_began_meanwhile_is_left_alone(workshop, begun, tmp_path):
    """Between settling and holding the folder somebody else trained there."""
    plan_for = options(workshop, tmp_path / "run")
    plan = settle(plan_for)
    shutil.copytree(begun, tmp_path / "run")
    from alexnet.train.start import hardware_for, train_here

    with pytest.raises(Failure, match="holds a run by now"):
        train_here(plan_for, plan, hardware_for(plan_for, plan))


def test_new_runs_at_the_same_moment_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(directory.time, "strftime", lambda form: "20260101-000000")
    together = threading.Barrier(8)

    def make(_: int) -> Path:
        together.wait()
        return directory.new_run("mine")

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(make, range(8)))
    assert len(made) == 8 and all(path.is_dir() and path.name.startswith("mine-20260101") for path in made)


def test_a_plateau_needs_validation_images(workshop, tmp_path):
    data = tmp_path / "data"
    workshop.alexctl("prep", workshop.folder / "images", "--out", data, "--size", 32, "--val-share", 0)
    with pytest.raises(Failure, match="has no val images"):
        settle(options(workshop, tmp_path / "run", data=data))
    changes = ("train.schedule=epochs", "train.drop_epochs=[1]")
    assert settle(options(workshop, tmp_path / "run", data=data, changes=changes))


def test_drops_that_a_plateau_would_ignore_are_refused(workshop, tmp_path):
    with pytest.raises(Failure, match=r"train\.drop_epochs: a plateau"):
        settle(options(workshop, tmp_path / "run", changes=("train.drop_epochs=[1]",)))


def test_a_fraction_of_an_epoch_acts_at_that_fraction(workshop, tmp_path):
    """81 images in batches of 20: 0.5 epochs are done after step 3, 1.3 after step 6; an event at 0.9 after step 4."""
    changes = ("train.schedule=epochs", "train.drop_epochs=[0.5, 1.3]")
    recipe = tmp_path / "events.toml"
    recipe.write_text(small.RECIPE + '\nevents = [{ epoch = 0.9, set = { "train.rate" = 0.04 } }]\n')
    rows: list[dict] = []
    train(options(workshop, tmp_path / "run", recipe=recipe, changes=changes, steps=8), [rows.append])
    rates = [row["rate"] for row in rows if "loss" in row]
    assert rates == pytest.approx([0.02] * 3 + [0.002] + [0.004] * 2 + [0.0004] * 2)


def test_precision_stays_with_the_run(workshop, run):
    """Held in the recipe: a CPU that cannot do it says so, also on resuming."""
    assert load(run / "recipe.toml").engine.precision == "fp32"
    assert log.read(run / "log.jsonl")[0]["precision"] == "fp32"
    done = workshop.train(run.with_name("tf32"), "--precision", "tf32", code=1)
    assert "engine.precision = tf32: the CPU has no such products" in done.stderr
    assert not run.with_name("tf32").exists()


def test_what_a_resumed_run_read_does_not_stay(workshop, run):
    """Settling keeps a checkpoint's state alone."""
    resumed = settle(options(workshop, run, resume=True)).resumed
    assert not any("weights" in key or "momenta" in key for key in vars(resumed))
    assert resumed.state == read_state(resumed.path)


def test_a_checkpoint_of_another_version_is_named(workshop, run):
    path = Shelf(run).named("latest")
    state = read_state(path)
    with pytest.raises(Failure, match=rf"{path.name}: not a checkpoint of this version \(.*nesterov"):
        directory.recipe_of(state | {"recipe": state["recipe"] + "\nnesterov = true\n"}, path)


def test_the_run_is_whole_by_itself(workshop, run):
    found, data = directory.load_trained(run).inputs, Dataset(workshop.data)
    assert (found.mean == data.mean).all() and (found.eigenvectors == data.eigenvectors).all()
    assert found.classes == tuple(data.classes) and found.identity == data.identity and found.size == 32
    spoil(run / "input.h5")
    with pytest.raises(Failure, match=r"input\.h5: damaged"):
        directory.load_trained(run)


def test_a_run_of_the_first_version_asks_its_data(workshop, run):
    (run / "input.h5").unlink()
    assert directory.load_trained(run).inputs.classes == tuple(Dataset(workshop.data).classes)
    settle(options(workshop, run, resume=True))
    path, renamed = directory.load_trained(run).checkpoint.path, ["another", "class1", "class2"]
    saved = read(path)
    arrays = [(name, values, saved.momenta[name]) for name, values in saved.weights.items()]
    write(path, saved.state | {"classes": renamed}, arrays)
    with pytest.raises(Failure, match=f"^{workshop.data}: its classes are not those of"):
        directory.load_trained(run)


def test_weights_in_a_folder_with_a_colon(workshop, run):
    """As folders are that are named by the time."""
    folder = run.with_name("2012-09-30T10:15:00")
    run.rename(folder)
    weights = folder / "w.safetensors"
    workshop.alexctl("export", folder, weights)
    for number, init in enumerate((f"{weights}", f"{weights}:conv*")):
        workshop.train(folder.with_name(f"run{number}"), "--procs", 1, "--steps", 1, "--init", init)


def test_the_log_speaks_todays_names(run):
    """Rows of the first version are read under them."""
    old = {"step": 1, "loss": 2.0, "error": 0.5, "lr": 0.01}
    (run / "old.jsonl").write_text(json.dumps(old) + "\n" + json.dumps({"step": 1, "val_error": 0.25}) + "\n")
    assert log.read(run / "old.jsonl") == [
        {"step": 1, "loss": 2.0, "top1_error": 0.5, "rate": 0.01},
        {"step": 1, "val_top1_error": 0.25},
    ]
