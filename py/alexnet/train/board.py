"""A training's rows as TensorBoard's event files, where the package tensorboard is installed."""

import time
from pathlib import Path
from typing import Any

from alexnet.errors import Failure
from alexnet.runs.log import Row

FOLDER = "tensorboard"  # in the run's
SCALARS = ("loss", "top1_error", "rate", "images_per_s", "val_loss", "val_top1_error", "val_top5_error")


class Board:
    """A listener that writes each row's numbers by step; what a resumed run does again replaces what it was.

    Raises Failure where the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise Failure("--tensorboard needs a package: pip install tensorboard") from error
        self._events, self._summaries, self._open = event_pb2, summary_pb2, EventFileWriter
        self._writer: Any = None

    def __call__(self, row: Row) -> None:
        if row.get("event") == "start":
            self._writer = self._open(str(Path(row["run"]) / FOLDER))
            begun = self._events.SessionLog(status=self._events.SessionLog.START)
            self._add(row["step"] + 1, session_log=begun)
        found = [(key, row[key]) for key in SCALARS if row.get(key) is not None]
        if found:
            values = [self._summaries.Summary.Value(tag=key, simple_value=value) for key, value in found]
            self._add(row["step"], summary=self._summaries.Summary(value=values))
        if row.get("event") == "end":
            self._writer.close()

    def _add(self, step: int, **what: Any) -> None:
        self._writer.add_event(self._events.Event(wall_time=time.time(), step=step, **what))
