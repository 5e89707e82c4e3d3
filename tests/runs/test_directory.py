"""What a run's log and folder say of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet.errors import Failure
from alexnet.runs.checkpoint import Shelf, write
from alexnet.runs.directory import LOCK, resolve, summaries, summary

START = {"event": "start", "step": 0, "recipe": "mini", "data": "/photographs/data"}
STEP = {"step": 7, "epoch": 1.75, "loss": 0.5, "top1_error": 0.25}
VALIDATIONS = [{"step": step, "val_loss": 1.0, "val_top1_error": error} for step, error in ((4, 0.25), (8, 0.5))]
HOLD = """
import sys
from pathlib import Path
from alexnet.files import locked
with locked(Path(sys.argv[1]), ""):
    print(flush=True)
    input()
"""


def make(run: Path, *rows: dict[str, object]) -> Path:
    run.mkdir(parents=True, exist_ok=True)
    (run / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def test_a_run_in_a_line(tmp_path):
    run = make(tmp_path / "a", START, STEP, *VALIDATIONS, {"event": "end", "step": 7, "finished": True})
    found = summary(run)
    assert (found.recipe, found.data, found.step, found.epoch) == ("mini", "/photographs/data", 7, 1.75)
    assert found.best_error == 0.25 and found.state == "finished"


def test_a_run_that_was_resumed_and_killed_is_stopped(tmp_path):
    ended = {"event": "end", "step": 7, "finished": True}
    assert summary(make(tmp_path / "a", START, STEP, ended, START)).state == "stopped"
    assert summary(make(tmp_path / "b", START, STEP, ended | {"finished": False})).state == "stopped"


def test_a_run_whose_lock_is_held_is_training(tmp_path):
    run = make(tmp_path / "a", START, STEP, {"event": "end", "step": 7, "finished": True}, START)
    command = [sys.executable, "-c", HOLD, str(run / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline()
        assert summary(run).state == "training"
        holder.communicate("\n")
    assert summary(run).state == "stopped"


def test_what_is_damaged_is_told(tmp_path):
    (make(tmp_path / "log") / "log.jsonl").write_text("no log\nat all\n")
    run = make(tmp_path / "shelf", START)
    write(Shelf(run).path(4), {}, [])
    Shelf(run).shelved(Shelf(run).path(4), best=True, kept=2)
    assert summary(run).state == "stopped"
    Shelf(run).path(4).unlink()
    assert {each.run.name: each.state for each in summaries(tmp_path)} == {"log": "damaged", "shelf": "damaged"}


def test_a_run_with_no_step_yet(tmp_path):
    found = summary(make(tmp_path / "a", START))
    assert found.step == 0 and found.epoch is None and found.best_error is None


def test_a_folder_of_another_kind_is_no_run_and_the_line_says_which_to_name(tmp_path):
    for name in ("old", "new"):
        run = make(tmp_path / "runs" / name, START)
        write(Shelf(run).path(4), {}, [])
        Shelf(run).shelved(Shelf(run).path(4), best=True, kept=2)
    os.utime(tmp_path / "runs" / "old" / "latest", (1, 1))
    with pytest.raises(Failure, match=r"runs: a folder of runs; name one of them, such as .*runs/new$"):
        resolve(tmp_path / "runs")
    (tmp_path / "data").mkdir()
    (tmp_path / "cat.jpg").touch()
    for name in ("data", "cat.jpg"):
        with pytest.raises(Failure, match=rf"{name}: not a run's folder; name one of those that `alexctl runs` lists"):
            resolve(tmp_path / name)
    with pytest.raises(Failure, match="no such run; train one"):
        resolve(tmp_path / "none")
    assert resolve(run) == run
