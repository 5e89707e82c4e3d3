#!/usr/bin/env python3
"""docs/recipes.md from `recipe/spec.py`: every key of a recipe with what it takes, its default and its section.

python scripts/recipe_keys.py > docs/recipes.md
"""

import inspect
import json
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any, get_type_hints

from alexnet.recipe import Recipe, spec
from alexnet.recipe.tables import described

TABLES = {
    "augment": spec.AugmentSpec,
    "data": spec.DataSpec,
    "engine": spec.EngineSpec,
    "train": spec.TrainSpec,
}
HEAD = """# Recipes

A recipe is a TOML file. `alexctl recipes` lists those that come with the program, `alexctl recipes NAME --toml`
prints one to edit, `alexctl train --recipe mine.toml` trains it. Keys that are left out have their defaults; an
unknown one is an error that names the nearest. `--set KEY=VALUE` changes any of them, with `*` for any text.
This page is made from the program by `scripts/recipe_keys.py`."""


def default(field: Field[Any]) -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return "required"
    value = field.default if field.default is not MISSING else field.default_factory()  # type: ignore[misc]
    return f"`{json.dumps(value)}`"


def about(kind: type) -> str:
    """A class's own docstring as running text."""
    return " ".join(inspect.cleandoc(kind.__doc__ or "").split())


def about_layer(kind: type) -> str:
    """What a kind of layer is, and what it shares with others of its sort."""
    shared = (base for base in kind.__bases__ if base not in (spec.LayerSpec, spec.Weighted))
    return " ".join(map(about, (kind, *shared)))


def rows(kind: type, prefix: str, left_out: frozenset[str] = frozenset()) -> Iterator[str]:
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        if field.name not in left_out:
            yield f"| `{prefix}{field.name}` | {described(hints[field.name])} | {default(field)} |"


def table(kind: type, prefix: str, left_out: frozenset[str] = frozenset()) -> Iterator[str]:
    found = list(rows(kind, prefix, left_out))
    if found:
        yield from ("", "| key | takes | default |", "|---|---|---|", *found)


def page() -> Iterator[str]:
    yield HEAD
    yield f"\n## The whole\n\n{about(Recipe)}"
    yield from table(Recipe, "", frozenset({"net", *TABLES}))
    yield f"\n## net\n\n{about(spec.NetSpec)}"
    yield from table(spec.NetSpec, "net.", frozenset({"layers"}))
    yield "\n`net.layers` is a list, from the image to the loss; a line's first key is the layer's kind and names it:"
    yield '`{ conv = "conv1", kernels = 96, size = 11, stride = 4 }`. Its keys are then `net.conv1.kernels` and so on.'
    yield f"\n### What every layer with weights has\n\n{about(spec.Weighted)}"
    yield from table(spec.Weighted, "", frozenset({"name"}))
    shared = frozenset(field.name for field in fields(spec.Weighted))
    for name, kind in spec.KINDS.items():
        yield f"\n### {name}\n\n{about_layer(kind)}"
        yield from table(kind, "", shared if issubclass(kind, spec.Weighted) else frozenset({"name"}))
    for name, kind in TABLES.items():
        yield f"\n## {name}\n\n{about(kind)}"
        yield from table(kind, f"{name}.")
    yield f"\n### An event\n\n{about(spec.Event)}"
    yield from table(spec.Event, "")


if __name__ == "__main__":
    print("\n".join(page()))
