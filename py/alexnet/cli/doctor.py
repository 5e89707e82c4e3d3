"""`alexctl doctor`: what this machine has for training, and what is missing; whether a dataset is whole."""

import importlib
import json
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from alexnet import __version__
from alexnet.console import progress, say
from alexnet.data.format import ClassInfo
from alexnet.data.shards import Dataset
from alexnet.data.verify import Findings, verify
from alexnet.engines import native
from alexnet.engines.cuda.facts import facts
from alexnet.errors import Failure, reason
from alexnet.machine import devices, launch, world
from alexnet.machine.cores import allowed

REASONS_SHOWN = 5


def doctor(as_json: bool) -> None:
    """One line a finding; every finding in one object with `--json`."""
    found = {
        "alexnet": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {allowed()}",
        "engine": _asked(lambda: f"{native.module().ISA} (best here: {_best()})"),
        "blas": _asked(lambda: f"scipy-openblas32 {metadata.version('scipy-openblas32')}"),
        "mpi": _asked(_mpi),
        "mpiexec": _asked(launch.mpiexec),
        "gpus": ", ".join(devices.gpus()) or devices.no_gpu(),
        "onnx export": _asked(_onnx),
        **facts(),
    }
    _tell(found)
    if as_json:
        print(json.dumps(found), flush=True)


def check(path: Path, as_json: bool) -> None:
    """Read a dataset and verify every checksum; Failure, after all else was told, where any does not agree."""
    data = Dataset(path)
    with progress("doctor", sum(data.counts.values())) as advance:
        found = verify(data, advance)
    _tell(_about(data, found))
    for each in found.damage:
        say(f"damaged: {each}")
    if as_json:
        print(json.dumps(_summary(data, found)), flush=True)
    if found.damage:
        files = sorted({str(each.file) for each in found.damage if each.file.exists()})
        named = files[0] if len(files) == 1 else f"the {len(files)} files named above"
        delete = f"delete {named} and " if files else ""
        raise Failure(f"{path} is damaged: {delete}run alexctl prep again, which makes anew what is missing")
    say(f"{path} is whole: every checksum agrees")


def _about(data: Dataset, found: Findings) -> dict[str, str]:
    first, last = data.classes[0], data.classes[-1]
    about = {
        "images": f"{data.size}x{data.size}",
        "classes": str(len(data.classes)),
        "class order": f"{data.class_order}: {first.index} is {_called(first)}, {last.index} is {_called(last)}",
    }
    for split, counts in found.per_class.items():
        files = data.shard_counts[split]
        about[split] = f"{data.counts[split]} images in {files} files, {counts.min()} to {counts.max()} a class"
    reasons = [f"{reason} ({count})" for reason, count in found.skipped.most_common(REASONS_SHOWN)]
    about["left out"] = f"{found.skipped.total()} unreadable images" + "".join(f"; {each}" for each in reasons)
    return about


def _called(info: ClassInfo) -> str:
    return info.id if info.name == info.id else f"{info.id} {info.name}"


def _summary(data: Dataset, found: Findings) -> dict[str, object]:
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
        say(f"{name:{width}}  {value}")


def _asked(question: Callable[[], str]) -> str:
    """The answer, or in a few words why there is none."""
    try:
        return question()
    except metadata.PackageNotFoundError as error:
        return f"missing; install it with `pip install {error.name}`"
    except (Failure, ImportError, RuntimeError) as error:
        return f"missing: {reason(error)}"


def _best() -> str:
    best: str = importlib.import_module("alexnet._engine_base").best_isa()
    return best


def _mpi() -> str:
    return f"{world.library()}, mpi4py {metadata.version('mpi4py')}"


def _onnx() -> str:
    return f"onnx {metadata.version('onnx')}"
