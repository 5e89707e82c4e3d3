"""Every import of the package and of data_prep goes the way that the plan of the house allows."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GROUND = {"errors", "files", "console", "metrics", "pca", "texts", "workers"}
# What a room may stand on, beside itself, the ground and the package's own face.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "console": set(),
    "metrics": set(),
    "pca": set(),
    "texts": set(),
    "workers": set(),
    "recipe": set(),
    "engines": set(),
    "data": {"engines"},
    "links": {"engines"},
    "runs": {"recipe", "data", "engines"},
    "net": {"recipe", "engines", "links"},
    "machine": {"engines", "links"},
    "predict": {"net", "runs", "data", "machine", "recipe", "engines", "links"},
    "train": {"predict", "net", "runs", "data", "machine", "recipe", "engines", "links"},
    "bench": {"net", "predict", "recipe", "engines", "links"},
    "retrieval": {"predict", "data", "engines", "recipe"},
    "baselines": {"data"},
    "figures": {"predict", "runs", "data", "retrieval", "recipe"},
    "pages": {"figures", "predict", "runs", "retrieval", "data", "recipe"},
    "experiments": {
        "train",
        "predict",
        "retrieval",
        "baselines",
        "figures",
        "pages",
        "runs",
        "data",
        "machine",
        "recipe",
    },
}
EVERYTHING = {*ROOMS, "data_prep"}
ROOMS |= {"cli": EVERYTHING, "": EVERYTHING | {"cli"}, "data_prep": {"data", "machine", "engines"}}


def room(module: str) -> str:
    """The room of a dotted module; "" is the package's own face."""
    parts = module.split(".")
    return parts[0] if parts[0] == "data_prep" else (parts[1:] or [""])[0]


def imports(text: str) -> set[str]:
    """What a source imports of this project anywhere, each by its dotted name: modules, and what is in them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            found |= {f"{node.module}.{each.name}" for each in node.names}
    return {name for name in found if name.split(".")[0] in ("alexnet", "data_prep")}


def sources() -> dict[str, str]:
    """Every module's dotted name and its text."""
    found = {}
    for top in ("py/alexnet", "data_prep"):
        for path in sorted((ROOT / top).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT / top).with_suffix("").parts).removesuffix("__init__").rstrip(".")
            found[f"{Path(top).name}.{name}".rstrip(".")] = path.read_text(encoding="utf-8")
    return found


def is_module(name: str) -> bool:
    return any((ROOT / "py/alexnet" / path).exists() for path in (f"{name}.py", f"{name}/__init__.py"))


def strays(texts: dict[str, str]) -> list[str]:
    """Each import that its room's place does not allow, in words."""
    found = []
    for module, text in texts.items():
        here = room(module)
        if here == "__main__":
            here = ""
        for name in sorted(imports(text)):
            there = room(name)
            face = name == f"alexnet.{there}" and not is_module(there)  # of the package itself, such as __version__
            if not (face or there == here or there in GROUND or there in ROOMS[here]):
                found.append(f"{module} imports {name}")
    return found


def test_every_import_goes_the_way_of_the_plan():
    assert strays(sources()) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("alexnet.net.net", "from alexnet.train.trainer import Trainer"),
        ("alexnet.recipe.spec", "import alexnet.engines.cpu"),
        ("alexnet.files", "from alexnet.data.shards import Dataset"),
        ("alexnet.predict.run", "from alexnet.cli.options import Json"),
        ("alexnet.baselines.sift", "from alexnet.net.net import Net"),
        ("alexnet.data.shards", "from data_prep import prepare"),
        ("data_prep.work", "def late():\n    from alexnet.runs.checkpoint import read"),
        ("alexnet.runs.log", "from alexnet import predict"),
        ("alexnet.metrics", "from alexnet.recipe import load"),
    ],
)
def test_an_import_the_wrong_way_round_is_noticed(module, line):
    assert len(strays({module: line})) == 1


def test_every_room_is_in_the_plan():
    there = {path.stem for path in (ROOT / "py/alexnet").iterdir() if is_module(path.stem)} - {"__init__", "__main__"}
    assert there <= ROOMS.keys()
    plan = re.findall(r"^\| (`.*?`) \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"\w+", " ".join(plan))) >= there


def test_no_room_stands_on_one_that_stands_on_it():
    TopologicalSorter(ROOMS).prepare()  # raises where there is a circle


def test_no_module_stands_on_one_that_stands_on_it():
    """Nor by an import inside a function; the package's own face, which imports when it is called, does not count."""
    texts, below = sources(), {}
    for module, text in texts.items():
        named = {name if name in texts else name.rpartition(".")[0] for name in imports(text)}
        below[module] = named - {module, "alexnet"}
    below["alexnet.predict.run"].remove("alexnet.predict.evaluate")  # Run.evaluate is short for evaluate([run])
    TopologicalSorter(below).prepare()


def test_a_module_is_one_thing():
    long = {name: text.count("\n") for name, text in sources().items() if text.count("\n") > 320}
    assert not long


def test_only_the_command_line_prints():
    def prints(text: str) -> bool:
        calls = (node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
        return any(isinstance(called, ast.Name) and called.id == "print" for called in calls)

    allowed = {"alexnet.console", "alexnet.engines.cuda.sizes"}  # the latter as a program of the build
    assert {name for name, text in sources().items() if prints(text) and room(name) != "cli"} == allowed


def test_no_two_test_modules_have_one_name() -> None:
    """pytest imports them by their names alone, and where two are run together refuses the second."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
