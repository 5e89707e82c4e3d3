"""The report for people: `report.html`, one file with its pictures; a short form for a terminal; a table for docs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from alexnet.experiments.claims import Claim
from alexnet.experiments.results import Told
from alexnet.files import write_whole
from alexnet.pages.parts import page, picture

CAPTIONS = {
    "curves": "Fig. 1: solid ReLU, dashed tanh; bold at each net's fastest rate, faint at the others; all as a table",
    "kernels": "Fig. 3: the first layer's kernels, column 1 above column 2",
    "predictions": "Fig. 4, left: the five likeliest classes",
    "neighbours": "Fig. 4, right: the training images nearest by the last hidden layer's values",
    "codes": "The nearest by Euclidean distance, by code, by code of pixels",
    "qualities": "R: how many of a query's ten nearest by Euclidean distance are among the first so many; "
    "P: how many of the first so many have its label; bytes an image, milliseconds a query",
}


def write(out: Path, report: Told) -> None:
    """`report.html` in a reproduction's folder. Raises Failure where it cannot be written."""
    figures = {claim["name"]: list(_figures(out, claim)) for claim in report["claims"]}
    text = page("reproduction.html", report=report, figures=figures, number=number, ours=ours, paper=paper)
    write_whole(out / "report.html", text)


def _figures(out: Path, claim: Told) -> Iterator[tuple[Markup, str]]:
    """The pictures of a claim that are there, as elements, with their captions."""
    for figure in claim["figures"]:
        drawn, photographed = (out / "figures" / f"{claim['name']}-{figure}{end}" for end in (".html", ".png"))
        if drawn.is_file():
            yield Markup(drawn.read_text(encoding="utf-8")), CAPTIONS[figure]
        elif photographed.is_file():
            yield picture(photographed, CAPTIONS[figure]), CAPTIONS[figure]


def number(value: float | None, unit: str) -> str:
    """A value with as many digits as its unit deserves."""
    if value is None:
        return "-"
    digits = {"%": 1, "points": 1, "times": 1, "ms": 2}.get(unit, 3)
    return f"{value:.{digits}f}{' %' if unit == '%' else ''}"


def paper(row: Told) -> str:
    """The paper's number."""
    return f"{'> ' if row.get('over') else ''}{number(row['paper'], row['unit'])}"


def ours(row: Told) -> str:
    """Our number with its interval."""
    if row["ours"] is None:
        return "-"
    if row["low"] is None:
        return number(row["ours"], row["unit"])
    digits = 1 if row["unit"] in ("%", "points", "times") else 3
    return f"{number(row['ours'], row['unit'])} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"


def lines(report: Told) -> Iterator[str]:
    """The report for a terminal: a line a number, in the paper's order, below its claim; then what is to be said."""
    heads = ("paper", f"ours ({report['scale']})", "n", "")
    cells = {
        (claim["name"], number): (paper(row), ours(row), str(row["n"]), row["verdict"])
        for claim in report["claims"]
        for number, row in enumerate(claim["rows"])
    }
    widths = [max(map(len, column)) for column in zip(heads, *cells.values(), strict=True)]

    def line(each: Sequence[str], what: str) -> str:
        return "  ".join(["", *(f"{cell:{width}}" for cell, width in zip(each, widths, strict=True)), what]).rstrip()

    yield line(heads, "")
    for claim in report["claims"]:
        yield f"{claim['section']} {claim['title']} ({', '.join(claim['systems'])})"
        for number, row in enumerate(claim["rows"]):
            yield line(cells[claim["name"], number], row["what"])
        yield from (f"  {note}" for note in dict.fromkeys(row["note"] for row in claim["rows"]) if note)


def markdown(report: Told) -> Iterator[str]:
    """The same as a table for docs/paper.md, with why a number is not there."""
    yield f"| section | system | what | unit | paper | ours ({report['scale']}), 95 % | n | verdict | |"
    yield "|---|---|---|---|---:|---:|---:|---|---|"
    for claim in report["claims"]:
        for row in claim["rows"]:
            what = f"{claim['title']}: {row['what']}"
            cells = [claim["section"], ", ".join(claim["systems"]), what, row["unit"], paper(row), ours(row)]
            yield f"| {' | '.join([*cells, str(row['n']), row['verdict'], row['note']])} |"


def summary(report: Told, known: Sequence[Claim]) -> Iterator[str]:
    """A short table for the README: the headlines among the rows of the claims that are known."""
    headlines = {(claim.name, row.what) for claim in known for row in claim.rows if row.headline}
    yield f"| section | what | paper | ours ({report['scale']}) | n | verdict |"
    yield "|---|---|---:|---:|---:|---|"
    for claim in report["claims"]:
        for row in claim["rows"]:
            if (claim["name"], row["what"]) in headlines:
                unit = "" if row["unit"] == "%" else f", {row['unit']}"
                cells = [claim["section"], f"{claim['title']}: {row['what']}{unit}", paper(row), ours(row)]
                yield f"| {' | '.join([*cells, str(row['n']), row['verdict']])} |"
