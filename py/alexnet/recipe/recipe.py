"""A recipe: the topology and the schedule of a run, read from TOML, changed by key, written back complete."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import Failure, reason
from alexnet.recipe.spec import KINDS, AugmentSpec, DataSpec, EngineSpec, NetSpec, Share, TrainSpec
from alexnet.recipe.tables import dotted, nearest, plain, read, shown, written
from alexnet.texts import decoded

MeanImage = NDArray[np.float32]

# What may change while the net trains: never a shape or an order.
LIVE = (
    "dropout",
    "augment.*",
    "net.*_times",
    "train.rate",
    "train.momentum",
    "train.decay",
)
# What an event may change besides, but nobody by hand: the epoch's length hangs on it.
PLANNED = ("data.train",)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole run, checked. `dropout` is the probability of a zero in every dropout layer (section 4.2)."""

    dropout: Share = 0.5
    net: NetSpec
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    data: DataSpec = field(default_factory=DataSpec)
    engine: EngineSpec = field(default_factory=EngineSpec)
    train: TrainSpec = field(default_factory=TrainSpec)

    def with_changes(self, changes: Mapping[str, Any]) -> "Recipe":
        """This recipe with dotted keys set, such as {"train.batch": 64, "net.conv1.kernels": 48}.

        `*` in a key stands for any text ("net.pool*.size"). Two keys exist here only: "net.<layer>.kind"
        turns a layer into another kind, "net.without" leaves layers out. Raises Failure.
        """
        tables = plain(self)
        places = _places(tables)
        for key, value in changes.items():
            found = [place for name, place in places.items() if fnmatchcase(name, key)]
            if key == "net.layers":
                raise Failure(f"{key}: write the layers into a recipe file, or set net.<layer>.<key>")
            if not found:
                raise Failure(f"{key}: unknown key, the nearest is '{nearest(key, places)}'")
            for table, entry in found:
                table[entry] = plain(value)
        _transform(tables["net"])
        return parse(tables)

    def at_epoch(self, epoch: float) -> "Recipe":
        """What holds when `epoch` epochs are done: this recipe with every earlier event's changes."""
        changes: dict[str, Any] = {}
        for event in self.train.events:
            if event.epoch <= epoch:
                changes = overlaid(changes, event.set)
        return self.with_changes(changes) if changes else self

    def subtracted(self, mean: MeanImage) -> MeanImage:
        """What of the mean image (S, S, 3) is subtracted: the whole of it, or its middle from every crop."""
        return mean if self.data.mean == "pixels" else middle(mean, self.net.crop)

    def to_toml(self) -> str:
        """Every key with its value; `load` reads it back equal."""
        return written(plain(self))


def middle(image: MeanImage, side: int) -> MeanImage:
    """What a centre crop sees of an image (S, S, 3): (side, side, 3)."""
    first = (len(image) - side) // 2
    return image[first : first + side, first : first + side]


def overlaid(changes: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Both, the later ones last: patterns overlap, and of two that reach a key the later holds."""
    return {key: value for key, value in changes.items() if key not in later} | dict(later)


def load(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A bundled recipe by name or any by its path, with "key=value" overrides. Raises Failure."""
    text, where = _text(source)
    try:
        recipe = parse(tomllib.loads(text))
    except Failure as failure:
        raise Failure(f"{where}: {failure}") from None
    except (ValueError, RecursionError) as error:
        raise Failure(f"{where}: not valid TOML: {reason(error)}") from None
    return recipe.with_changes(changes(overrides)) if overrides else recipe


def changes(settings: Sequence[str]) -> dict[str, Any]:
    """What "key=value" settings change, by dotted key. Raises Failure."""
    found: dict[str, Any] = {}
    for key, value in map(_override, settings):
        found = overlaid(found, {key: value})
    return found


def parse(tables: Mapping[str, Any]) -> Recipe:
    """A recipe from TOML's tables, checked as a whole. Raises Failure that names the key."""
    recipe: Recipe = read(Recipe, dict(tables), "")
    names = [layer.name for layer in recipe.net.layers]
    for name in names:
        if names.count(name) > 1:
            raise Failure(f"net.layers: two layers are named '{name}': give each its own name")
    drops = recipe.train.drop_epochs
    if list(drops) != sorted(set(drops)):
        raise Failure(f"train.drop_epochs = {shown(drops)}: write them in rising order")
    still = replace(recipe, train=replace(recipe.train, events=()))
    for index, event in enumerate(recipe.train.events):
        where = f"train.events[{index}].set"
        for key in event.set:
            if not any(fnmatchcase(key, live) for live in LIVE + PLANNED):
                raise Failure(f"{where}: '{key}' cannot change while the net trains, only {', '.join(LIVE + PLANNED)}")
            if key in PLANNED and event.epoch != int(event.epoch):
                raise Failure(f"{where}: '{key}' changes between epochs: give a whole one for {event.epoch}")
        try:
            still.with_changes(event.set)
        except Failure as failure:
            raise Failure(f"{where}: {failure}") from None
    return recipe


def bundled() -> dict[str, str]:
    """The recipes that come with the package: name -> the first line of its header."""
    folder = resources.files("alexnet") / "recipes"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml"))
    return {name.removesuffix(".toml"): header(name.removesuffix(".toml"))[0] for name in files}


def header(source: str | Path) -> list[str]:
    """The comment a recipe opens with, without its marks: goal, hardware, cost. Raises Failure."""
    text, _ = _text(source)
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return lines or [""]


def _text(source: str | Path) -> tuple[str, str]:
    """A recipe file's text, and its name for messages."""
    path = Path(source)
    shipped = resources.files("alexnet") / "recipes" / f"{source}.toml"
    if path.suffix != ".toml" and path.name == str(source) and shipped.is_file():
        return shipped.read_text("utf-8"), f"recipe {source}"
    if path.suffix != ".toml" and not path.is_file():
        known = ", ".join(bundled())
        raise Failure(f"no recipe '{source}': take one of {known}, or the path of a .toml file")
    try:
        return decoded(path.read_bytes()), str(source)
    except UnicodeDecodeError as error:
        raise Failure(f"{source}: not valid TOML: not UTF-8 at byte {error.start}") from None
    except (OSError, ValueError) as error:
        raise Failure(f"{source}: cannot read this recipe: {reason(error)}") from None


def _override(text: str) -> tuple[str, Any]:
    """`key=value`; a value that is not TOML is taken as text, so `augment.crop=centre` needs no quotes."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise Failure(f"--set {text}: write key=value, such as train.batch=64")
    try:
        parsed: Any = tomllib.loads(f"value = {value.replace(chr(10), ' ')}")
    except (ValueError, RecursionError):
        return key.strip(), value.strip()
    return key.strip(), parsed["value"] if len(parsed) == 1 else value.strip()


def _places(tables: dict[str, Any]) -> dict[str, tuple[dict[str, Any], str]]:
    """Every dotted key of a recipe -> the table and the entry it is written to."""
    places: dict[str, tuple[dict[str, Any], str]] = {}
    for key, value in tables.items():
        entries = {dotted(key, entry): (value, entry) for entry in value} if isinstance(value, dict) else {}
        places |= entries or {key: (tables, key)}
    for layer in tables["net"]["layers"]:
        kind = next(iter(layer))
        keys = [entry for entry in layer if entry != kind] + ["kind"]
        places |= {f"net.{layer[kind]}.{entry}": (layer, entry) for entry in keys}
    places["net.without"] = (tables["net"], "without")
    del places["net.layers"]
    return places


def _transform(net: dict[str, Any]) -> None:
    """Carry out "kind" and "without" on the tables of `net`."""
    without = net.pop("without", [])
    if not isinstance(without, (str, list)):
        raise Failure(f"net.without = {shown(without)}: it must be a list of layers, such as norm1,norm2")
    layers = [_turned(layer) if "kind" in layer else layer for layer in net["layers"]]
    names = [str(next(iter(layer.values()))) for layer in layers]
    for pattern in without.split(",") if isinstance(without, str) else without:
        gone = [name for name in names if fnmatchcase(name, str(pattern).strip())]
        if not gone:
            close = nearest(str(pattern), names or ["none at all"])
            raise Failure(f"net.without: no layer '{pattern}', the nearest is '{close}'")
        layers = [layer for layer in layers if next(iter(layer.values())) not in gone]
    net["layers"] = layers


def _turned(layer: dict[str, Any]) -> dict[str, Any]:
    old = next(iter(layer))
    rest = {key: value for key, value in layer.items() if key not in (old, "kind")}
    kind = str(layer["kind"])
    if kind not in KINDS:
        close = nearest(kind, KINDS)
        raise Failure(f"net.{layer[old]}.kind: unknown kind '{kind}', the nearest is '{close}'")
    return {kind: layer[old], **rest}
