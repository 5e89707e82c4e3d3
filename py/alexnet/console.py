"""What a person reads, on standard error: lines, and progress with rate and time left.

On a terminal progress is a live bar; elsewhere it is a plain line now and then. A process started by `launch` writes
to a terminal through a pipe, and learns of it, and of its width, from the environment.
"""

import io
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

PLAIN_SECONDS = 15.0
TERMINAL = "ALEXCTL_TERMINAL"
DUMB = ("dumb", "unknown")  # terminals that only print


class Advance(Protocol):
    """Called as work gets done: `advance(count, note)`; the note is shown beside the bar."""

    def __call__(self, count: int, note: str = "") -> None: ...


def settle_streams() -> None:
    """At the very start: a stream that was closed leads nowhere, and standard output takes names of any bytes.

    A file that is opened later would get a closed stream's number, and what libraries print would go into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things: "1 process", "2 processes"; where `many` is not given, it is `one` with an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def say(text: str) -> None:
    """Print one line for a person, if there still is one: a terminal that is gone ends no work."""
    with suppress(OSError, RuntimeError):  # RuntimeError: a signal came amid another line
        print(text, file=sys.stderr, flush=True)


def break_off() -> None:
    """Leave a terminal as it was before a bar was shown there: on a new line, with its cursor."""
    if terminal() and sys.__stderr__:
        with suppress(OSError, RuntimeError):
            print("\x1b[?25h", file=sys.__stderr__, flush=True)  # a bar keeps it from sys.stderr


def let_go() -> None:
    """At the very end: drop what a terminal that is gone did not take. Python would try again, and exit with 120."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def terminal() -> int | None:
    """The width of the terminal that a person watches and a bar can move on; None where there is none."""
    if sys.stderr.isatty() and os.environ.get("TERM") not in DUMB:
        return shutil.get_terminal_size().columns
    told = os.environ.get(TERMINAL, "")
    return int(told) if told.isdecimal() else None


@contextmanager
def progress(title: str, total: int, unit: str = "images", done: int = 0) -> Iterator[Advance]:
    """Show how `total` units of work go, of which `done` were made before this call."""
    show = _plain if terminal() is None else _bar
    with show(title, total, unit, done) as advance:
        yield advance


@contextmanager
def _bar(title: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    start, made = time.monotonic(), 0
    bar = Progress(*columns, console=Console(stderr=True, force_terminal=True, width=terminal()))
    bar.start()
    try:
        task = bar.add_task(title, total=total, completed=done, rate="", note="")

        def advance(count: int, note: str = "") -> None:
            nonlocal made
            made += count
            rate = f"{made / max(time.monotonic() - start, 1e-9):.0f} {unit}/s"
            bar.update(task, advance=count, rate=rate, note=note)

        yield advance
    finally:
        with suppress(OSError):
            bar.stop()


@contextmanager
def _plain(title: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    start = spoken = time.monotonic()
    made = 0

    def line(note: str) -> str:
        seconds = max(time.monotonic() - start, 1e-9)
        rate = made / seconds
        left = (total - done - made) / rate if rate else 0.0
        text = f"{title}: {done + made}/{total} {unit}, {rate:.0f} {unit}/s, {_clock(left)} left"
        return f"{text}, {note}" if note else text

    def advance(count: int, note: str = "") -> None:
        nonlocal made, spoken
        made += count
        if time.monotonic() - spoken >= PLAIN_SECONDS:
            spoken = time.monotonic()
            say(line(note))

    yield advance
    if made:
        seconds = time.monotonic() - start
        say(f"{title}: {made} {unit} in {seconds:.1f} s, {made / max(seconds, 1e-9):.0f} {unit}/s")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
