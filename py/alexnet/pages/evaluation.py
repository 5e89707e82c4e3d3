"""An evaluation for people: the confusion matrix and the errors of each class, a page or a part of a run's page."""

import json
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from alexnet.data.format import ClassInfo, titles
from alexnet.errors import Failure, reason
from alexnet.figures.confusion import confusion_figure
from alexnet.files import write_whole
from alexnet.pages.parts import drawn, page
from alexnet.predict.confusion import Confusion, OfClass


@dataclass(frozen=True)
class Shown:
    """What the page says: the classes are those with the most errors first."""

    title: str
    found: Confusion
    matrix: Markup
    worst: list[OfClass]
    most: list[tuple[str, str, int]]  # right, said, images


def write_report(found: Confusion, path: Path) -> None:
    """Write an evaluation as a page (.html) or as numbers (.json). Raises Failure."""
    writers = {
        ".html": lambda: page("evaluation.html", shown=shown(found, f"Errors on {found.data}, {found.split}")),
        ".json": lambda: json.dumps(found.as_json()) + "\n",
    }
    if path.suffix not in writers:
        raise Failure(f"{path}: end its name with {' or '.join(writers)}")
    write_whole(path, writers[path.suffix]())


def kept(run: Path) -> list[Shown]:
    """The evaluations that a run's folder holds as numbers, eval*.json. Raises Failure where one is something else."""
    return [shown(_read(path), path.stem) for path in sorted(run.glob("eval*.json"))]


def shown(found: Confusion, title: str) -> Shown:
    """An evaluation with its picture."""
    names = titles([ClassInfo(each.index, each.id, each.name) for each in found.classes])
    text = f"Confusion matrix of {len(names)} classes on {found.split}"
    matrix = drawn(lambda file: confusion_figure(found.matrix, names, file), text)
    worst = sorted((each for each in found.classes if each.images), key=lambda each: -(each.top1_error or 0))
    most = [(names[right.index], names[said.index], images) for right, said, images in found.most()]
    return Shown(title, found, matrix, worst, most)


def _read(path: Path) -> Confusion:
    try:
        return Confusion.of_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, Failure) as error:
        raise Failure(f"{path}: {reason(error)}; make it again with `alexctl eval RUN --report {path}`") from error
