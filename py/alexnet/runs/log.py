"""The log of a run: one JSON object a line, from which the run can be rebuilt; the first process writes it."""

import json
import math
from pathlib import Path
from typing import Any, TextIO

from alexnet.errors import Failure

Row = dict[str, Any]


class Log:
    """Appends rows to `log.jsonl`; a resumed run first drops the rows beyond the step it goes on from."""

    def __init__(self, path: Path, keep_to_step: int) -> None:
        kept = [row for row in read(path) if row.get("step", 0) <= keep_to_step] if path.exists() else []
        beside = path.with_suffix(".part")
        beside.write_text("".join(_line(row) for row in kept), encoding="utf-8")
        beside.replace(path)
        self._file: TextIO = path.open("a", encoding="utf-8")

    def write(self, row: Row) -> None:
        self._file.write(_line(row))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> list[Row]:
    """The rows of a log; a last line cut short by a kill is left out.

    Raises Failure where the file is no log.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        rows = [json.loads(line) for line in lines[:-1] if line]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("a line is not an object")
        return rows
    except (OSError, ValueError) as error:
        raise Failure(f"{path}: not a log of a run ({error}); move it away or name another run") from error


def _line(row: Row) -> str:
    """JSON knows no infinity: a number that is not finite becomes null."""
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
    return json.dumps(finite) + "\n"
