"""`alexctl doctor`: what this machine has for training; whether a dataset is whole."""

import json as json_lines
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alexnet.cli.options import Json
from alexnet.console import counted, progress
from alexnet.errors import Failure

if TYPE_CHECKING:
    from alexnet.data.format import ClassInfo
    from alexnet.data.shards import Dataset
    from alexnet.data.verify import Findings

REASONS_SHOWN = 5


def doctor(
    data: Annotated[Path | None, typer.Argument(help="Verify this prepared data instead.")] = None,
    json: Json = False,
) -> None:
    """Show what this machine has for training, or verify that prepared data is whole."""
    if data is not None:
        check(data, json)
        return
    from alexnet.machine import world
    from alexnet.machine.survey import survey

    found = survey()
    if world.rank():
        return  # one of the processes that a launcher started tells
    _tell(found)
    if json:
        print(json_lines.dumps(found), flush=True)


def check(path: Path, as_json: bool) -> None:
    """Read a dataset and verify every checksum; Failure, after all else was told, where any does not agree."""
    from alexnet.data.shards import Dataset
    from alexnet.data.verify import verify

    data = Dataset(path)
    with progress("doctor", sum(data.counts.values())) as advance:
        found = verify(data, advance)
    _tell(_about(data, found))
    for each in found.damage:
        print(f"damaged: {each}", flush=True)
    if not found.damage:
        print(f"{path} is whole: every checksum agrees", flush=True)
    if as_json:
        print(json_lines.dumps(_summary(data, found)), flush=True)
    if found.damage:
        files = sorted({str(each.file) for each in found.damage if each.file.exists()})
        named = files[0] if len(files) == 1 else f"the {len(files)} files named above"
        delete = f"delete {named} and " if files else ""
        raise Failure(f"{path} is damaged: {delete}run alexctl prep again, which makes what is missing")


def _about(data: "Dataset", found: "Findings") -> dict[str, str]:
    first, last = data.classes[0], data.classes[-1]
    about = {
        "images": f"{data.size}x{data.size}",
        "classes": str(len(data.classes)),
        "class order": f"{data.class_order}: {first.index} is {_called(first)}, {last.index} is {_called(last)}",
    }
    for split, counts in found.per_class.items():
        files = data.shard_counts[split]
        each = f"{min(counts)} to {max(counts)} per class"
        about[split] = f"{counted(data.counts[split], 'image')} in {counted(files, 'file')}, {each}"
    reasons = [f"{reason} ({count})" for reason, count in found.skipped.most_common(REASONS_SHOWN)]
    about["left out"] = f"{found.skipped.total()} unreadable images" + "".join(f"; {each}" for each in reasons)
    return about


def _called(info: "ClassInfo") -> str:
    return info.id if info.name == info.id else f"{info.id} {info.name}"


def _summary(data: "Dataset", found: "Findings") -> dict[str, object]:
    return {
        "dataset": str(data.path),
        "size": data.size,
        "classes": len(data.classes),
        "class_order": data.class_order,
        "images": {split: data.counts[split] for split in found.per_class},
        "skipped": found.skipped.total(),
        "damage": [{"file": str(each.file), "row": each.row, "what": each.what} for each in found.damage],
    }


def _tell(found: dict[str, str]) -> None:
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name:{width}}  {value}", flush=True)
