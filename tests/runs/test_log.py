"""A run's log: one JSON object a line, whole after a kill, under today's names."""

import json
import math
import resource

import pytest

from alexnet.errors import Failure
from alexnet.runs.log import Log, read


def test_numbers_that_are_not_finite_are_null(tmp_path):
    """JSON has no word for them: Python would write NaN, which other readers refuse."""
    with Log(tmp_path / "log.jsonl", 0) as log:
        log.write({"step": 1, "loss": math.nan, "val_loss": math.inf, "rate": 0.5, "event": "end"})

    def none(word):
        raise AssertionError(f"{word} is no JSON")

    row = json.loads((tmp_path / "log.jsonl").read_text(), parse_constant=none)
    assert row == {"step": 1, "loss": None, "val_loss": None, "rate": 0.5, "event": "end"}


def test_a_resumed_run_drops_the_rows_beyond_its_step_and_a_line_cut_short(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"event": "start", "step": 0}\n{"step": 1, "lr": 0.1}\n{"step": 2, "lr": 0.1}\n{"step": 3, "l')
    assert [row["step"] for row in read(path)] == [0, 1, 2]
    with Log(path, 1) as log:
        log.write({"step": 2, "rate": 0.2})
    assert read(path) == [{"event": "start", "step": 0}, {"step": 1, "rate": 0.1}, {"step": 2, "rate": 0.2}]


@pytest.mark.parametrize("text", ["[1]\n", "junk\n", "1\n"])
def test_what_is_no_log_is_refused(tmp_path, text):
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(Failure, match=r"log\.jsonl: not a log of a run"):
        read(tmp_path / "log.jsonl")


def test_a_disk_that_fills_is_told_with_the_file(tmp_path):
    """A file may not grow beyond 4 KiB here; the rows that were taken stay."""
    path, before = tmp_path / "log.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    log = Log(path, 0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(Failure, match=rf"^{path} cannot be written \(.*what was done is kept"), log:
            for step in range(1000):
                log.write({"step": step, "loss": 1.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [row["step"] for row in read(path)] == list(range(len(read(path)))) and len(read(path)) > 100
