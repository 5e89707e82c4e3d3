"""What README and docs show can be done as it stands there: commands and Python are run, and print what is shown."""

import contextlib
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import shown
import typer
from command import alexctl
from PIL import Image
from samples import photo
from shown import PAGES, ROOT

from alexnet.cli import app

LINES = sorted(
    {(str(page.relative_to(ROOT)), line) for page in PAGES for each in shown.commands(page) for line in each.lines}
)

# Lines that no test here runs, by how they begin, and why.
LEFT_OUT = {
    r"./scripts/(quickstart|gpu_check|grocery)\.sh": "the network; a GPU",
    r".*(caltech101|voc2007)": "photographs that are not here: tests/data_prep/test_caltech101.py, tests/baselines",
    r"(\./)?scripts/test\.sh": "this is it",
    r"source|git|python3|pip|module|export": "an installation, by the network",
    r"srun|sbatch": "Slurm: tests/slurm",
    r"docker|apptainer": "containers",
    r".* --gpus 0": "GPUs",
    r".*bf16": "a processor with AMX: tests/machine/test_precision.py",
    r"[^']* \[": "what a command takes, not a command",
    r"python scripts/bench": "minutes of a machine that does nothing else, with PyTorch",
    r"python scripts/mutants\.py(?! --check)": "an hour",
    r"python scripts/cuda_counts\.py --write": "it changes a page: tests/cuda/test_cuda_counts.py",
    r"python scripts/paper_table\.py": "of a whole reproduction: tests/docs/test_results_shown.py",
    r"alexctl reproduce( pooling|$| {2})": "hours: tests/experiments",
    r"alexctl (import|predict runs/imagenet|export RUN FILE --as|.* one-weird-trick)": "61 million weights: "
    "tests/net/test_torchvision.py, tests/net/test_foreign.py",
    r"alexctl serve": "until a signal ends it: tests/pages/test_serve.py",
    r"alexctl --install-completion": "it writes into the home folder: tests/cli/test_complete.py",
    r"alexctl prep /shared": "tests/cli/test_commands.py prepares in parts",
}
GIVEN = {
    "RUN": "runs/photos",
    "DATA": "data/photos",
    "NAME": "alexnet",
    "IMAGE": "apple.jpg",
    "images/grocery": "photos",
}
# Options of other programs: Slurm, Docker and Apptainer, pip, mypy, TensorBoard.
OF_OTHERS = {
    *("--array", "--cpus-per-task", "--gpus-per-node", "--mpi", "--nodes", "--ntasks", "--ntasks-per-node", "--signal"),
    *("--nv", "--rm", "--shm-size", "--yes", "--strict", "--logdir"),
}
NAMED = re.compile(rf"\b({'|'.join(GIVEN)})\b")
# What makes a command short. Of an option that is given twice the last counts.
ONE = ("--device", "cpu", "--threads", "1")
SHORT = {
    "prep": ("--workers", "1"),
    "train": (*ONE, "--procs", "1", "--epochs", "1"),
    **dict.fromkeys(("eval", "predict", "maps", "features"), ONE),
    "figures": ("--threads", "1"),
    "bench": ("--threads", "1", "--batch", "1", "--repeat", "1", "--recipe", "alexnet-mini"),
    "baseline": ("--quick", "--workers", "1"),
    "codes": ("--bits", "8", "--epochs", "1", "--workers", "1"),
}


def left_out(line: str) -> bool:
    return any(re.match(each, line) for each in LEFT_OUT)


class House:
    """A folder with what the pages speak of, in which each command is run once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._said = folder, {}
        for number in range(20):
            path = folder / "photos" / ("apples", "pears")[number % 2] / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photo(60, 50, number)).save(path)
        shutil.copy(path, folder / "apple.jpg")
        (folder / "docs").mkdir()
        shutil.copytree(folder / "photos", folder / "images")
        with contextlib.chdir(folder):
            self.run("alexctl prep")
            for line in shown.commands(PAGES[0])[1].lines:
                self.run(line)
            shutil.copytree("runs/photos", "runs/quickstart")
            Path("mine.toml").write_text(alexctl("recipes", "alexnet-mini", "--toml").stdout)
            for line in ("export RUN W.safetensors", "features RUN --out F.h5", "features RUN --out Q.h5 --split val"):
                self.run(f"alexctl {line}")

    def run(self, line: str) -> str:
        """What a command printed; nothing where it is left out."""
        if left_out(line):
            return ""
        if line not in self._said:
            self._said[line] = self._run(shown.words(line))
        return self._said[line]

    def _run(self, words: list[str]) -> str:
        given = [NAMED.sub(lambda found: GIVEN[found[1]], word) for word in words]
        if given[0] == "--set":
            recipe = "cifar-relu" if "act*" in given[1] else "alexnet"
            return alexctl("recipes", recipe, "--toml", *given).stdout
        if given[0] == "python":
            command = [sys.executable, *given[1:]]
            return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        if given[1] == "train" and "--resume" not in given:
            given += ["--set", "train.batch=9", *(() if "--recipe" in given else ("--recipe", "alexnet-mini"))]
        done = alexctl(*(word for word in given[1:] if word != "..."), *SHORT.get(given[1], ()))
        said = shown.plain(done.stderr + done.stdout)
        return said.replace("alexnet-mini", "alexnet") if given[1] == "bench" else said


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return House(tmp_path_factory.mktemp("house"))


def test_there_are_commands():
    assert len(LINES) > 80


@pytest.mark.parametrize(("page", "line"), [each for each in LINES if "alexctl" in shown.words(each[1])], ids=str)
def test_a_command_that_is_shown_is_one(page, line):
    """Its name, options and values are the program's."""
    words = shown.words(line)
    words = words[words.index("alexctl") + 1 :]
    given = [re.sub(r"^[NKT]$", "1", word.strip("[]")) for word in words if word not in ("...", "…")]
    group = typer.main.get_command(app)
    if given[0].startswith("--"):
        assert given[0] in ("--help", *(option for each in group.params for option in each.opts))
        return
    with group.make_context("alexctl", given[:1]) as context:
        name, command, rest = group.resolve_command(context, given)
        if rest:
            command.make_context(name, rest, parent=context)


def options() -> dict[str, set[str]]:
    """Each command's, and under "" those of the program itself."""
    group = typer.main.get_command(app)
    commands = {"": group, **group.commands}
    return {
        name: {"--help", *(each for one in command.params for each in one.opts)} for name, command in commands.items()
    }


def test_every_command_and_option_is_on_a_page_and_no_page_has_others():
    named = {each for page in PAGES for each in shown.OPTION.findall(page.read_text())}
    own = {each for found in options().values() for each in found if each.startswith("--")}
    scripts = "".join(path.read_text() for path in (ROOT / "scripts").rglob("*.py"))
    assert own - named - {"--show-completion"} == set()
    assert [each for each in named - own - OF_OTHERS if f'"{each}"' not in scripts] == []
    text = "".join(page.read_text() for page in PAGES)
    assert [name for name in options() if f"alexctl {name}" not in text] == []


def test_a_command_that_the_program_itself_advises_is_one():
    """In what it prints, in recipes' heads, in the scripts, and those that are new."""
    known = options()
    found = [("CHANGELOG.md", *each) for each in shown.HINT.findall((ROOT / "CHANGELOG.md").read_text())]
    for folder, kinds in (("py", "*.py *.toml *.html *.js"), ("data_prep", "*.py"), ("scripts", "*.py *.sh")):
        for path in (path for kind in kinds.split() for path in (ROOT / folder).rglob(kind)):
            found += [(path.name, *each) for each in shown.HINT.findall(path.read_text())]
    assert len(found) > 30
    strange = [each for each in found if not {*shown.OPTION.findall(each[2])} <= known.get(each[1], set())]
    assert strange == [] and {name for _, name, _ in found} <= {*known}


def test_a_script_that_is_shown_is_there():
    text = "".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"\bscripts/[\w/]+(?:\.\w+)?", text))
    assert len(named) > 10 and not [each for each in named if not (ROOT / each).exists()]


def test_links_lead_somewhere_and_to_every_page():
    led = {(page.parent / link).resolve() for page in PAGES for link in shown.links(page) if "://" not in link}
    assert len(led) > 20 and not [each for each in led if not each.exists()]
    assert [page for page in PAGES if page not in led] == [ROOT / "README.md"]
    assert [each.name for each in (ROOT / "docs").iterdir() if each not in led] == []


def test_no_block_is_fenced():
    """Blocks are indented: what stands between fences would not be run."""
    assert [page.name for page in PAGES if re.search(r"^ *(```|~~~)", page.read_text(), re.M)] == []


def test_what_is_left_out_is_shown():
    assert [each for each in LEFT_OUT if not any(re.match(each, line) for _, line in LINES)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_print_what_the_page_shows(house, monkeypatch, page):
    monkeypatch.chdir(house.folder)
    for each in shown.commands(page):
        said = "".join(house.run(line) for line in each.lines)
        if each.printed:
            assert re.fullmatch(shown.shape(each.printed), said), f"{each.lines[-1]}\n{said}"


@pytest.mark.parametrize("page", [page for page in PAGES if shown.python(page)], ids=lambda page: page.name)
def test_python_runs_as_the_page_shows_it(house, monkeypatch, page):
    monkeypatch.chdir(house.folder)
    first = sorted((house.folder / "runs" / "quickstart" / "checkpoints").glob("*.h5"))[-1]
    for code in shown.python(page):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(re.sub(r"step-\d+\.h5", first.name, code).replace("epochs=5", "steps=1"), {})
        assert out.getvalue()


def test_another_word_is_noticed_and_another_number_is_not():
    page = ("prep: 20 images in 0.5 s", "…", "apple.jpg: pears 50.1%, apples 49.9%")
    assert re.fullmatch(shown.shape(page), "prep: 1,234 images in 10 s\nmore\nmore\napple.jpg: apples 7%, pears 3%\n")
    assert not re.fullmatch(shown.shape(page), "prep: 1,234 pictures in 10 s\napple.jpg: apples 7%, pears 3%\n")
