"""Every command on file systems that lack something: it works, with the same numbers."""

import pytest
from filesystem import without


@pytest.fixture(params=["NO_LOCKS", "NO_FOLDER_SYNC"])
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
