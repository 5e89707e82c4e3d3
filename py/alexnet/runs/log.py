"""The log of a run: one JSON object a line, from which the run can be rebuilt; the first process writes it."""

import json
import math
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from alexnet.errors import Failure
from alexnet.files import write_whole, writing

Row = dict[str, Any]
NAME = "log.jsonl"
# What rows called otherwise before version 0.2.
FORMER = {"lr": "rate", "error": "top1_error", "val_error": "val_top1_error"}


class Log:
    """Appends rows to a log; a resumed run first drops the rows beyond the step it goes on from."""

    def __init__(self, path: Path, keep_to_step: int) -> None:
        kept = [row for row in read(path) if row.get("step", 0) <= keep_to_step] if path.exists() else []
        write_whole(path, "".join(_line(row) for row in kept))
        self._path, self._file = path, path.open("a", encoding="utf-8")

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what the disk does not take was told when it was written
            self._file.close()

    def write(self, row: Row) -> None:
        """Append a row; it outlives this process at once. Raises Failure where the disk does not take it."""
        with writing(self._path):
            self._file.write(_line(row))
            self._file.flush()


def read(path: Path) -> list[Row]:
    """The rows of a log, under today's names; a last line cut short by a kill is left out.

    Raises Failure where the file is no log.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        rows = [json.loads(line) for line in lines[:-1] if line]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("a line is not an object")
        return [{FORMER.get(key, key): value for key, value in row.items()} for row in rows]
    except (OSError, ValueError) as error:
        raise Failure(f"{path}: not a log of a run ({error}); move it away or name another run") from error


def _line(row: Row) -> str:
    """JSON knows no infinity: a number that is not finite becomes null."""
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
    return json.dumps(finite) + "\n"
