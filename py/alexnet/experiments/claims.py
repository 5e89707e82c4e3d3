"""A claim of the paper: what it says in our words, its numbers, the nets to train for it, what is measured on them.

Each is a TOML file in `claims/`, in the paper's order by name; `ITEM` is the name after the section.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from alexnet.errors import Failure
from alexnet.predict.predictor import CropsName
from alexnet.recipe.spec import Count
from alexnet.recipe.tables import nearest, read

ScaleName = Literal["quick", "full"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """A net to train: a recipe with `set` changes as `alexctl train --set` takes them.

    `rates` are tried with the first seed, and the other seeds are run at the fastest. `init` names the training whose
    weights it begins with, and which layers': "first:conv*"; `data` and `size` the dataset where it is not the scale's.
    `seeds` may be fewer or more than the scale's.
    """

    name: str
    recipe: str
    set: tuple[str, ...] = ()
    rates: tuple[float, ...] = ()
    init: str = ""
    data: str = ""
    size: int = 0
    seeds: int = 0


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What is trained, and on what: `data` prepared at `size` pixels, `seeds` of each training.

    `comparable`: the split that the paper's numbers are of, where data and length are the paper's own, so that they can
    be set against ours; "none" where they are not. ILSVRC-2010's labels are those of test, 2012's those of val.
    `baselines`: with their published settings, or as `alexctl baseline --quick`.
    """

    data: str
    size: Count = 256
    seeds: Count = 1
    comparable: Literal["none", "test", "val"] = "none"
    baselines: ScaleName = "full"
    trainings: tuple[Training, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number: the `measure` of the trainings `of`; `paper` is the paper's, in the same `unit`.

    Differences and ratios are written so that the paper's own stand on the upper side of none at all. `over`: the paper
    says "more than". `crops`: one for all, or one for each of `of`; `key`, `kind`, `method` and `bits` say which error,
    baseline, codes. `headline`: one of the few in the README.
    """

    what: str
    measure: str
    unit: str = "%"
    paper: float | Literal["none"] = "none"
    over: bool = False
    of: tuple[str, ...] = ()
    key: Literal["top1", "top5"] = "top1"
    crops: tuple[CropsName, ...] = ("ten",)
    kind: Literal["none", "fisher", "sparse", "features", "pixels"] = "none"
    method: str = ""
    bits: int = 0
    headline: bool = False


@dataclass(frozen=True, kw_only=True)
class Claim:
    """`statement` is what the paper says, `comparable` what it would take to set our number against the paper's.

    `timed`: times are taken, so that nothing is trained meanwhile.
    """

    name: str
    section: str
    systems: tuple[str, ...]
    title: str
    statement: str
    comparable: str
    figures: tuple[str, ...] = ()
    timed: bool = False
    rows: tuple[Row, ...]
    quick: Scale
    full: Scale

    def scale(self, name: ScaleName) -> Scale:
        """That of this name."""
        return self.quick if name == "quick" else self.full


def parse(name: str, text: str) -> Claim:
    """A claim from its file's text. Raises Failure that names the key."""
    try:
        claim: Claim = read(Claim, tomllib.loads(text) | {"name": name}, "")
    except ValueError as error:
        raise Failure(f"claim {name}: not valid TOML: {error}") from None
    except Failure as failure:
        raise Failure(f"claim {name}: {failure}") from None
    return claim


@cache
def claims() -> tuple[Claim, ...]:
    """All of them, in the paper's order."""
    folder = resources.files("alexnet.experiments") / "claims"
    names = sorted(each.name.removesuffix(".toml") for each in folder.iterdir() if each.name.endswith(".toml"))
    return tuple(parse(name.partition("-")[2], (folder / f"{name}.toml").read_text(encoding="utf-8")) for name in names)


def chosen(items: list[str], known: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """Those of the named items, all where none is named. Raises Failure where there is no such item."""
    names = [each.name for each in known]
    for item in items:
        if item not in names:
            raise Failure(
                f"{item}: no such item, the nearest is '{nearest(item, names)}'; see alexctl reproduce --list"
            )
    return tuple(each for each in known if not items or each.name in items)
