"""A recipe trained twice: by the program and by the reference."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import small
from command import alexctl

from reference.trainer import Data, Tables, Training

CLASSES, SIDE, SEED, STEPS = 8, 20, 3, 20
RECIPES = ("paper", "authors", "still", "cifar")


@dataclass(frozen=True)
class Pair:
    """A run's folder and the reference that has taken the same steps."""

    run: Path
    reference: Training


class Pairs:
    """Made-up images of eight classes, and the recipes beside this file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.images = small.write_images(folder / "images", per_class=9, classes=CLASSES)
        prep = ("--size", SIDE, "--workers", 1, "--val-share", 0.35)
        alexctl("prep", self.images, "--out", self.data, *prep)
        self.trained = cache(self._trained)

    def recipe(self, name: str) -> Path:
        return Path(__file__).with_name(f"{name}.toml")

    def tables(self, name: str) -> Tables:
        return tomllib.loads(self.recipe(name).read_text(encoding="utf-8"))

    def train(self, run: Path, name: str, *more: object) -> None:
        """The program's training, in this process."""
        options = ("--device", "cpu", "--procs", 1, "--threads", 1, "--out", run)
        alexctl("train", self.data, "--recipe", self.recipe(name), *options, *more)

    def training(self, name: str, seed: int = SEED, by_hand: dict[int, Tables] | None = None) -> Training:
        """The reference, before its first step."""
        return Training(self.tables(name), Data(self.data, CLASSES), seed, by_hand)

    def _trained(self, name: str) -> Pair:
        run, reference = self.folder / name, self.training(name)
        self.train(run, name, "--seed", SEED, "--steps", STEPS)
        reference.run(STEPS)
        return Pair(run, reference)
