"""The whole of it: each item's trainings, its numbers, and the page, which grows with every item."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from alexnet.errors import Failure
from alexnet.experiments import page, pictures, survey
from alexnet.experiments.claims import Claim, ScaleName
from alexnet.experiments.jobs import Job, Plan, together
from alexnet.experiments.lab import Lab
from alexnet.experiments.results import Told, known, told, unseen
from alexnet.experiments.sources import Sources
from alexnet.experiments.turns import turn
from alexnet.experiments.work import Work
from alexnet.files import write_whole


def plans(items: Sequence[Claim], scale: ScaleName, sources: Sources, seeds: int | None) -> list[Plan]:
    """The items at a scale."""
    return [Plan(claim, claim.scale(scale), sources, seeds) for claim in items]


def reproduce(lab: Lab, items: Sequence[Plan], scale: ScaleName, shown: Sequence[Claim]) -> Told:
    """Train, measure and draw, item by item; the report of all claims `shown`, as far as this folder holds them."""
    work = Work(lab, survey.Left(lab, items))
    for at, plan in enumerate(items):
        while work.do(known(lab, plan), ahead(lab, items[at:])):
            pass  # once all rates were tried, the other seeds' trainings are known
        pictures.draw(lab, plan)
        result = told(lab, plan, scale)
        path = _item(lab, plan.claim, scale)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(result, indent=1) + "\n")
        report(lab, scale, shown)
    return report(lab, scale, shown)


def ahead(lab: Lab, items: Sequence[Plan]) -> Iterator[Job]:
    """What may be trained while the first of the items is: of the next ones."""
    for plan in next(together(items))[1:]:
        yield from known(lab, plan)


def report(lab: Lab, scale: ScaleName, shown: Sequence[Claim]) -> Told:
    """`report.json` and `report.html` of the claims, from what the items left. Raises Failure where one is damaged.

    Of several processes the last to write has read what all the others left.
    """
    with turn(lab.out / "report.lock"):
        found = {"scale": scale, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "claims": [*_items(lab, scale, shown)]}
        write_whole(lab.out / "report.json", json.dumps(found, indent=1) + "\n")
        page.write(lab.out, found)
    return found


def _items(lab: Lab, scale: ScaleName, shown: Sequence[Claim]) -> Iterator[Told]:
    for claim in shown:
        path = _item(lab, claim, scale)
        try:
            yield json.loads(path.read_text(encoding="utf-8")) if path.is_file() else unseen(claim, scale)
        except ValueError:
            raise Failure(f"{path}: damaged; delete it and run alexctl reproduce {claim.name} again") from None


def _item(lab: Lab, claim: Claim, scale: ScaleName) -> Path:
    return lab.out / "items" / f"{claim.name}-{scale}.json"
