"""A page about one run, or several side by side: how they went, what they are, what they learnt and say."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from alexnet.errors import Failure
from alexnet.figures.paper import kernels_figure, training_figure
from alexnet.files import write_whole
from alexnet.pages.evaluation import Shown, kept
from alexnet.pages.parts import drawn, page, picture
from alexnet.recipe import Recipe, bundled, load
from alexnet.recipe.tables import plain
from alexnet.runs import log
from alexnet.runs.checkpoint import Shelf, read
from alexnet.runs.directory import Summary, summary
from alexnet.runs.log import Row

# As `alexctl figures` draws them into the run's folder.
PICTURES = {
    "predictions.png": "as in the paper's Figure 4, left; by alexctl figures",
    "neighbours.png": "as in the paper's Figure 4, right; by alexctl figures",
    "errors.png": "images that it gets wrong; by alexctl figures --errors-only",
}


@dataclass(frozen=True)
class Told:
    """What the page says of a run; `settings` are its recipe's keys, dotted, with their values as text.

    `base` are those of the recipe that it began with, where that comes with the program. Pictures and speed are
    None where there was no step yet; `pictures` are those that were drawn, each with its caption.
    """

    name: str
    about: Summary
    start: Row
    validations: list[Row]
    images_per_s: float | None
    settings: dict[str, str]
    base: dict[str, str]
    course: Markup | None
    kernels: Markup | None
    pictures: list[tuple[Markup, str]]
    evaluations: list[Shown]


def report(runs: Sequence[Path], out: Path, *, seconds: int | None = None) -> None:
    """Write the page, which a browser loads anew every so many `seconds` if they are given.

    Raises Failure where a run has no log, or the page cannot be written.
    """
    told = [_told(run, name) for run, name in zip(runs, _names(runs), strict=True)]
    keys = dict.fromkeys(key for each in told for key in each.settings)
    differing = [key for key in keys if len({each.settings.get(key) for each in told}) > 1]
    shown = page(
        "report.html",
        runs=told,
        keys=list(keys),
        differing=differing,
        seconds=seconds,
        time=time.strftime("%H:%M:%S"),
    )
    write_whole(out, shown)


def _names(runs: Sequence[Path]) -> list[str]:
    """The runs' folders, with as many of those around them as it takes to tell them apart."""
    paths = [run.resolve() for run in runs]
    for depth in range(1, max(len(path.parts) for path in paths)):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len({*names}) == len({*paths}):
            break
    return names


def _told(run: Path, name: str) -> Told:
    rows = log.read(run / log.NAME)
    start = next((row for row in reversed(rows) if row.get("event") == "start"), None)
    if start is None:
        raise Failure(f"{run}: its log has no beginning; name a run of `alexctl train`")
    speeds = sorted(row["images_per_s"] for row in rows if row.get("images_per_s"))
    recipe = load(run / "recipe.toml")
    return Told(
        name,
        summary(run, rows),
        start,
        [row for row in rows if "val_top1_error" in row],
        speeds[len(speeds) // 2] if speeds else None,
        _settings(recipe),
        _settings(load(start["recipe"])) if start.get("recipe") in bundled() else {},
        drawn(lambda file: training_figure(rows, file), f"Loss, error and rate of {name}") if speeds else None,
        _kernels(run, recipe),
        [(picture(run / file, f"{name}, {text}"), text) for file, text in PICTURES.items() if (run / file).is_file()],
        kept(run),
    )


def _kernels(run: Path, recipe: Recipe) -> Markup | None:
    """The first layer's kernels (Fig. 3) of the best checkpoint, if there is one yet and it has kernels."""
    path = Shelf(run).preferred()
    first = recipe.net.first_kernels
    if path is None or first is None:
        return None
    weights = read(path, momenta=False).weights[f"{first}.weight"]
    text = f"The {len(weights)} kernels of {first}, by column"
    return drawn(lambda file: kernels_figure(weights, recipe.net.columns, file), text)


def _settings(recipe: Recipe) -> dict[str, str]:
    tables = plain(recipe)
    found = {"dropout": json.dumps(tables.pop("dropout"))}
    layers = tables["net"].pop("layers")
    for section, entries in tables.items():
        found |= {f"{section}.{key}": json.dumps(value) for key, value in entries.items()}
    for layer in layers:
        kind, name = next(iter(layer.items()))
        found |= {f"net.{name}.{key}": json.dumps(value) for key, value in layer.items() if key != kind}
        found[f"net.{name}.kind"] = kind
    return found
