"""docs/recipes.md is what the program says of its recipes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_keys_is_fresh():
    command = [sys.executable, str(ROOT / "scripts" / "recipe_keys.py")]
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert made == (ROOT / "docs" / "recipes.md").read_text(), "run scripts/recipe_keys.py > docs/recipes.md"
