"""The tables of results in docs/paper.md and README.md: of the claims as they are, and made by their script."""

import importlib.util
import json
import shutil
import sys

import pytest
from shown import ROOT

from alexnet.experiments import page
from alexnet.experiments.claims import claims
from alexnet.experiments.results import unseen

SCRIPT = ROOT / "scripts" / "paper_table.py"
SAID = slice(5)  # of a row: section, systems, what, unit, the paper's number
PAGES = ("docs/paper.md", "README.md")


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script, of copies of both pages."""
    spec = importlib.util.spec_from_file_location("paper_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for each in PAGES:
        (tmp_path / each).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / each, tmp_path / each)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def report() -> dict:
    """One of which nothing but two rows was run."""
    told = {"scale": "quick", "claims": [unseen(claim, "quick") for claim in claims()]}
    for number in (0, 1):
        row = told["claims"][0]["rows"][number]
        row |= {"ours": 4.0 + number, "low": 3.5, "high": 6.25, "n": 3, "verdict": "same direction", "note": ""}
    return told


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split(" | ")]


def told(text: str, script) -> list[str]:
    return text.partition(script.BEGIN)[2].partition(script.END)[0].splitlines()


def test_the_page_has_every_number_of_the_paper_as_the_claims_have_it(script):
    shown = told((ROOT / "docs/paper.md").read_text(), script)
    assert [cells(line)[SAID] for line in shown[2:]] == [cells(line)[SAID] for line in [*page.markdown(report())][2:]]


def test_the_readme_has_the_headlines_as_the_page_has_them(script):
    """A row or two of each section of the paper: what a newcomer looks for."""
    whole, shown = ([cells(line) for line in told((ROOT / each).read_text(), script)[2:]] for each in PAGES)
    headlines = [cells(line) for line in [*page.summary(report(), claims())][2:]]
    assert [row[:3] for row in shown] == [row[:3] for row in headlines], "section, what, the paper's number"
    units = {"%": "", "points": ", points", "times": ", times"}
    said = [[section, what + units[unit], *numbers] for section, _, what, unit, *numbers, _ in whole]
    assert all(row in said for row in shown), "ours is of the same report"
    assert 12 <= len(shown) <= 15 and {row[0] for row in shown} == {row[0] for row in whole}


def test_a_report_fills_both_pages_and_nothing_else_of_them(script, tmp_path, monkeypatch):
    (tmp_path / "report.json").write_text(json.dumps(report()))
    monkeypatch.setattr(sys, "argv", ["paper_table.py", str(tmp_path / "report.json")])
    before = {each: (tmp_path / each).read_text() for each in PAGES}
    for _ in range(2):  # again, it changes nothing
        script.main()
    for each, lines in zip(PAGES, (page.markdown(report()), page.summary(report(), claims())), strict=True):
        text = (tmp_path / each).read_text()
        assert told(text, script) == [*lines]
        assert text.count(script.BEGIN) == text.count(script.END) == 1
        assert text.partition(script.BEGIN)[0] == before[each].partition(script.BEGIN)[0]
        assert text.partition(script.END)[2] == before[each].partition(script.END)[2]
    row = (
        "| 3.1 | ReLU against tanh: epochs to 25 % training error, tanh over ReLU, times | 6.0 | 4.0 (3.5 to 6.2) | 3 |"
    )
    assert row in (tmp_path / "README.md").read_text()
