"""Recipes: what a net is and how it is trained, in one TOML file. Its tables and kinds of layers: `spec`."""

from alexnet.recipe.recipe import Recipe, bundled, changes, header, load, middle, overlaid, parse

__all__ = ["Recipe", "bundled", "changes", "header", "load", "middle", "overlaid", "parse"]
