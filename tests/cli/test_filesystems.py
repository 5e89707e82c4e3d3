"""Every command on file systems that lack something: it works, with the same numbers."""

import json
from pathlib import Path

import pytest
from filesystem import without


@pytest.fixture(params=["NO_LOCKS", "NO_FOLDER_SYNC", "NO_SHARED_MAPS"])
def lacking(request, tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("LD_PRELOAD", without(request.param, tmp_path))
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)
    return request.param


def test_all_commands_work_where_the_file_system_lacks_something(workshop, tmp_path, lacking) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    workshop.alexctl("prep", workshop.folder / "images", "--out", data, "--size", 32, "--workers", 1)
    for path in workshop.data.iterdir():
        if path.suffix in (".h5", ".json", ".jsonl") and path.name != "prep.json":
            assert (data / path.name).read_bytes() == path.read_bytes()
    workshop.train(run, "--procs", 1, "--steps", 3)
    workshop.alexctl("train", data, "--device", "cpu", "--procs", 2, "--steps", 6, "--out", run, "--resume")
    assert (run / "latest").read_text() == "step-00000006.h5\n"
    workshop.alexctl("eval", run, "--device", "cpu")
    workshop.alexctl("export", run, tmp_path / "net.safetensors")
    workshop.alexctl("doctor", data)


@pytest.mark.parametrize("access", ["mapped", "blocks"])
def test_training_and_evaluation_see_the_same_numbers_without_maps(workshop, tmp_path, monkeypatch, access) -> None:
    runs = tmp_path / "mapped", tmp_path / "read"
    said = []
    for run in runs:
        workshop.train(run, "--procs", 1, "--steps", 3, "--set", f"data.access={access}")
        done = workshop.alexctl("eval", run, "--device", "cpu", "--json")
        said.append(json.loads(done.stdout.splitlines()[-1]))
        monkeypatch.setenv("LD_PRELOAD", without("NO_SHARED_MAPS", tmp_path))
    assert losses(runs[0]) == losses(runs[1]) and len(losses(runs[0])) == 3
    assert said[0] == said[1]


def losses(run: Path) -> list[float]:
    rows = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [row["loss"] for row in rows if "loss" in row]
