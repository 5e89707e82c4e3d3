"""What the shell completes: recipes, and runs wherever they lie."""

from collections.abc import Iterator
from pathlib import Path


def recipes(incomplete: str) -> list[str]:
    """The recipes that come with the program, and TOML files."""
    from alexnet.recipe import bundled

    return [*(name for name in bundled() if name.startswith(incomplete)), *_paths(incomplete, ".toml")]


def runs(incomplete: str) -> list[str]:
    """Runs in ./runs by their folder, and folders on the way to others."""
    here = sorted(str(path.parent) for path in Path("runs").glob("*/log.jsonl"))
    return list(dict.fromkeys([*(run for run in here if run.startswith(incomplete)), *_paths(incomplete, "")]))


def _paths(incomplete: str, suffix: str) -> Iterator[str]:
    """Folders, and files that end so where a suffix is given, in the folder that is being written."""
    folder, _, _ = incomplete.rpartition("/")
    inside = Path(folder or ("/" if incomplete.startswith("/") else "."))
    for path in sorted(inside.iterdir()) if inside.is_dir() else ():
        shown = str(path)
        wanted = shown.startswith(incomplete) and not path.name.startswith(".")
        if wanted and (path.is_dir() or (suffix and path.suffix == suffix)):
            yield shown
