"""`alexctl report`: a page about runs."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from alexnet.cli.options import Runs
from alexnet.console import say

SECONDS = 10


def report(
    runs: Runs = None,
    out: Annotated[Path | None, typer.Option(help="The page (default: report.html in the first run's folder).")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Write the page again and again while a run trains.")] = False,
) -> None:
    """Write one page about a run, or about several side by side: curves, kernels, recipe, origin."""
    from alexnet.pages.report import report
    from alexnet.runs.directory import resolve

    chosen = [resolve(path) for path in runs or (None,)]
    page = out or chosen[0] / "report.html"
    if watch:
        _watch(chosen, page)
    report(chosen, page)
    say(f"written: {page}")


def _watch(runs: Sequence[Path], page: Path) -> None:
    from alexnet.pages.report import report
    from alexnet.runs.directory import training

    if not any(map(training, runs)):
        return
    report(runs, page, seconds=SECONDS)
    say(f"{page}: open it in a browser; it is written anew every {SECONDS} s until the training ends")
    while any(map(training, runs)):
        time.sleep(SECONDS)
        report(runs, page, seconds=SECONDS)
