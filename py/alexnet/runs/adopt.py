"""A run whose net was trained elsewhere: a folder like any, with one checkpoint at step 0."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet.data.format import ClassInfo
from alexnet.engines import Floats
from alexnet.errors import Failure
from alexnet.files import write_whole
from alexnet.recipe import Recipe
from alexnet.runs import directory, inputs, log
from alexnet.runs.checkpoint import Shelf, write


def adopt(
    run: Path,
    recipe: Recipe,
    weights: dict[str, Floats],
    mean: NDArray[np.float32],
    classes: Sequence[ClassInfo],
    *,
    name: str,
    source: Path,
) -> None:
    """Write a run's folder with these weights, which `source` held; `mean` (S, S, 3), `classes` in the net's order.

    Raises Failure where there is a run already, or the disk does not take it.
    """
    shelf = Shelf(run)
    if shelf.all() or (run / log.NAME).exists():
        raise Failure(f"{run}: already holds a run; choose another folder")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"{run}: cannot be made ({error.strerror}); name another folder") from error
    seen = inputs.Inputs(mean, np.zeros(3), np.eye(3), tuple(classes), f"imported from {source.name}")
    state = {
        **{"step": 0, "epoch": 0.0, "position": 0, "images": 0, "seed": 0, "dropout": recipe.dropout},
        **{"recipe": recipe.to_toml(), "name": name, "classes": [each.name for each in classes]},
        **{"data": str(source), "dataset": seen.identity},
    }
    inputs.write(run, seen)
    write_whole(run / "recipe.toml", recipe.to_toml())
    write(shelf.path(0), state, ((key, values, np.zeros_like(values)) for key, values in weights.items()))
    facts = directory.facts("cpu", 1, 1, 0)
    about = {"run": str(run), "recipe": name, "data": str(source), "dataset": seen.identity}
    with log.Log(run / log.NAME, 0) as kept:
        kept.write({"event": "start", "step": 0, **facts, **about})
        kept.write({"event": "end", "step": 0, "finished": True, "checkpoint": str(shelf.path(0))})
    shelf.shelved(shelf.path(0), best=True, kept=1)
