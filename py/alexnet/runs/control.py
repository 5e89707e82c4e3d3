"""Changing a run by hand while it trains: a small file that the first process looks for before each step."""

import json
from pathlib import Path
from typing import Any

from alexnet.errors import Failure
from alexnet.files import write_whole
from alexnet.recipe import Recipe
from alexnet.recipe.recipe import PLANNED

NAME = "control.json"


def send(run: Path, recipe: Recipe, changes: dict[str, Any]) -> None:
    """Ask the process that trains `run` to make these changes before its next step.

    Raises Failure where there is no such run, or a change cannot be made while a net trains.
    """
    check(recipe, changes)
    path = run / NAME
    if path.exists():
        raise Failure(f"{path}: an earlier request has not been taken yet; is the run training? remove the file if not")
    write_whole(path, json.dumps(changes) + "\n")


def check(recipe: Recipe, changes: dict[str, Any]) -> None:
    """Raises Failure where a change is none that a recipe's event may make, or one that has to be planned."""
    for key in set(changes) & set(PLANNED):
        raise Failure(f"{key}: cannot change by hand: write it into the recipe's train.events")
    recipe.with_changes({"train.events": [{"epoch": 0, "set": changes}]})


def waiting(run: Path) -> bool:
    """Whether a request lies there."""
    return (run / NAME).exists()


def take(run: Path) -> dict[str, Any]:
    """The request, taken away; empty where there is none or it cannot be read."""
    path = run / NAME
    try:
        text = path.read_text(encoding="utf-8")
        path.unlink()
        changes = json.loads(text)
    except (OSError, ValueError):
        return {}
    return changes if isinstance(changes, dict) else {}
