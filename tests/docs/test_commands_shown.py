"""What README and docs show can be done as it stands there: every command is one, and the first minutes are run."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer
from command import alexctl
from PIL import Image
from samples import photo

from alexnet.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "DIFFERENCES.md", *sorted((ROOT / "docs").glob("*.md"))]
INLINE = re.compile(r"`((?:alexctl|\./scripts/|scripts/)[^`]*)`")
BLOCK = re.compile(r"^ {4,}((?:srun |mpiexec -n \d+ |\$ )?(?:alexctl|\./scripts/).*)$", re.M)


def shown(page: Path) -> list[str]:
    """Each command of a page, from its blocks and its lines; one that goes on in the next line is put together."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    return [*BLOCK.findall(text), *INLINE.findall(text.replace("\n", " "))]


COMMANDS = sorted({(page.relative_to(ROOT), line) for page in PAGES for line in shown(page)})


def test_there_are_commands():
    assert len(COMMANDS) > 40


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda each: str(each))
def test_a_command_that_is_shown_is_one(page, line):
    """Its name, options and values are the program's; a script is there."""
    words = shlex.split(line, comments=True)
    words = words[next(at for at, word in enumerate(words) if word == "alexctl" or "scripts/" in word) :]
    if words[0] != "alexctl":
        assert (ROOT / words[0]).is_file(), words[0]
        return
    words = words[: next((at for at, word in enumerate(words) if word in ("&", "&&", "|", ">", ";")), len(words))]
    bare = [word.strip("[]") for word in words[1:]]
    given = [re.sub(r"^[NKT]$", "1", word) for word in bare if word not in ("...", "…", "")]
    group = typer.main.get_command(app)
    if given[0].startswith("--"):
        assert given[0] in ("--help", *(option for each in group.params for option in each.opts))
        return
    with group.make_context("alexctl", given[:1]) as context:
        name, command, rest = group.resolve_command(context, given)
        if rest:
            command.make_context(name, rest, parent=context)


def test_the_first_minutes_as_the_readme_tells_them(tmp_path, monkeypatch):
    """One's own photographs, through every command of the block, and what is said of each is so."""
    block = ROOT.joinpath("README.md").read_text().partition("Then your own photographs")[2].partition("\n## ")[0]
    lines = [shlex.split(line, comments=True) for line in re.findall(r"^ {4}(alexctl .*)$", block, re.M)]
    assert [words[1] for words in lines] == ["prep", "train", "eval", "predict", "figures"]
    for number in range(20):
        path = tmp_path / "photos" / ("cats", "dogs")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(60, 50, number)).save(path)
    shutil.copy(path, tmp_path / "cat.jpg")
    monkeypatch.chdir(tmp_path)
    quick = {
        "train": ["--epochs", "1", "--device", "cpu", "--procs", "1", "--set", "train.batch=9"],
        "prep": ["--workers", "1"],
    }
    said = {words[1]: alexctl(*words[1:], *quick.get(words[1], [])) for words in lines}
    assert "2 classes, images: 18 train, 2 val" in said["prep"].stderr
    assert "validation error" in said["train"].stderr and "checkpoints/step-" in said["train"].stderr
    assert re.search(r"top-1 error \d+\.\d\d%, top-5 error 0\.00%", said["eval"].stdout)
    assert re.fullmatch(r"cat\.jpg: (cats|dogs) \d+\.\d%, (cats|dogs) \d+\.\d%\n", said["predict"].stdout)
    assert (tmp_path / "runs/photos/kernels.png").is_file() and (tmp_path / "runs/photos/predictions.png").is_file()
    assert "goes on" in block and "--resume" in block


def test_a_checkpoint_is_read_as_the_page_says(trained, monkeypatch, capsys):
    text = (ROOT / "docs" / "runs.md").read_text().partition("## A checkpoint")[2]
    code = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    first = sorted((trained / "checkpoints").glob("*.h5"))[-1]
    exec(re.sub(r'"runs/quickstart/checkpoints/step-\d+\.h5"', repr(str(first)), code), {})
    assert capsys.readouterr().out.startswith("(8, 3, 5, 5) {")
