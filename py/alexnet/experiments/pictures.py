"""The paper's figures, drawn from the runs of a claim: each a file in OUT/figures, which the page takes in."""

import shutil
from collections.abc import Callable
from pathlib import Path

from markupsafe import Markup

from alexnet.data.format import titles
from alexnet.errors import Failure
from alexnet.experiments import likeness
from alexnet.experiments.colour import first_kernels
from alexnet.experiments.jobs import Job, Plan
from alexnet.experiments.lab import Lab, tested
from alexnet.experiments.measures import found
from alexnet.experiments.svg import Line, curves_svg
from alexnet.figures.dataset import spread
from alexnet.figures.gallery import draw_neighbours
from alexnet.figures.paper import kernels_figure, predictions_figure
from alexnet.files import whole_file, write_whole
from alexnet.pages.parts import table

SHOWN, QUERIES = 8, 5
RANKED = {"recall": "R", "precision": "P"}


def draw(lab: Lab, plan: Plan) -> None:
    """Draw a claim's figures whose runs are there."""
    for name in plan.claim.figures:
        try:
            FIGURES[name](lab, plan, lab.out / "figures")
        except Failure:  # of data or a run that is not there, which the rows tell of
            continue


def curves(lab: Lab, plan: Plan, folder: Path) -> None:
    """Fig. 1 of each net: the fastest rate's curves, solid and dashed, over those of other rates; all in a table."""
    known = {training.name for training in plan.scale.trainings}
    pairs = [row.of for row in plan.claim.rows if row.measure == "slower" and {*row.of} <= known]
    write(folder / f"{plan.claim.name}-curves.html", "\n".join(_pair(lab, plan, *pair) for pair in pairs))


def _pair(lab: Lab, plan: Plan, slow: str, fast: str) -> Markup:
    lines, rows = [], []
    for name in (fast, slow):
        best = {job.key: job for job in found(lab, plan, name)}
        for key, job in ({job.key: job for job in plan.swept(name).values()} | best).items():
            curve = lab.curve(job)
            lines.append(Line(job.name, curve.epochs, curve.errors, dashed=name == slow, bold=key in best))
            crossing = curve.crossing()
            reached = f"above {curve.epochs[-1]:g}" if crossing is None else f"{crossing:.2f}"
            rows.append((job.name, reached, f"{100 * curve.errors[-1]:.1f} %"))
    return curves_svg(lines) + table(("net", "epochs to 25 %", "error in the end"), rows)


def kernels(lab: Lab, plan: Plan, folder: Path) -> None:
    """Fig. 3: the first layer's kernels, column 1 above column 2."""
    weights, columns = first_kernels(lab, _first(lab, plan))
    folder.mkdir(parents=True, exist_ok=True)
    kernels_figure(weights, columns, folder / f"{plan.claim.name}-kernels.png")


def predictions(lab: Lab, plan: Plan, folder: Path) -> None:
    """Fig. 4, left: eight images with their five likeliest classes."""
    job = _first(lab, plan)
    run, split = lab.open(job), job.data.split(tested(job.data))
    shown, labels = spread(split, SHOWN)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plan.claim.name}-predictions.png"
    predictions_figure(shown, labels, run.predict(shown), titles(run.classes), path)


def neighbours(lab: Lab, plan: Plan, folder: Path) -> None:
    """Fig. 4, right: the training images nearest by the last hidden layer's values."""
    job = _first(lab, plan)
    shown, labels = spread(job.data.split(tested(job.data)), QUERIES)
    folder.mkdir(parents=True, exist_ok=True)
    draw_neighbours(lab.open(job), job.data, shown, labels, folder / f"{plan.claim.name}-neighbours.png")


def codes(lab: Lab, plan: Plan, folder: Path) -> None:
    """Queries, and what distance, codes and codes of pixels find, as `alexctl codes` drew it."""
    job = _first(lab, plan)
    likeness.codes(lab, job)
    drawn = likeness.codes_folder(lab, job) / "codes.png"
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / f"{plan.claim.name}-codes.png") as part:
        shutil.copyfile(drawn, part)


def qualities(lab: Lab, plan: Plan, folder: Path) -> None:
    """What `alexctl codes` measured, as a table."""
    lines = likeness.codes(lab, _first(lab, plan))["codes"]
    depths = {name: list(dict.fromkeys(depth for line in lines for depth in line[name])) for name in RANKED}
    heads = [f"{letter}@{depth}" for name, letter in RANKED.items() for depth in depths[name]]
    rows = []
    for line in lines:
        shares = [line[name].get(depth) for name in RANKED for depth in depths[name]]
        shown = ["" if share is None else f"{share:.1%}" for share in [*shares, line["mean_average_precision"]]]
        bits = str(line["bits"] or "")
        rows.append((f"{line['of']}, {line['method']}", bits, *shown, str(line["bytes"]), f"{line['ms']:.2f}"))
    write(folder / f"{plan.claim.name}-qualities.html", table(("codes of", "bits", *heads, "mAP", "bytes", "ms"), rows))


def _first(lab: Lab, plan: Plan) -> Job:
    name = plan.scale.trainings[0].name
    jobs = found(lab, plan, name)
    if not (jobs and lab.finished(jobs[0])):
        raise Failure(f"{name}: not trained yet")
    return jobs[0]


def write(path: Path, text: str) -> None:
    """A text file, and its folder where that is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)


FIGURES: dict[str, Callable[[Lab, Plan, Path], None]] = {
    each.__name__: each for each in (curves, kernels, predictions, neighbours, codes, qualities)
}
