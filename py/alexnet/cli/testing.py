"""`alexctl eval`, `predict`, `figures` and `export`: what a trained run can do."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alexnet.console import progress, say
from alexnet.data.shards import Dataset
from alexnet.engines import Engine, Floats
from alexnet.errors import Failure, reason
from alexnet.files import whole_file
from alexnet.links.solo import SoloLink
from alexnet.machine.hardware import alone
from alexnet.net.net import Net
from alexnet.predict.predictor import CROPS, CropsName, Predictor, misses, predict_split
from alexnet.recipe.topology import topology
from alexnet.runs import directory as runs
from alexnet.runs.directory import Trained

BATCH = 128
TOP, TEN = 5, 10


def _net(trained: Trained, batch: int, engine: Engine) -> Net:
    """The whole net of a run in this process, for so many views at once, its weights loaded."""
    shapes = topology(trained.recipe.net, len(trained.classes))
    net = Net(shapes, engine.for_test(batch), SoloLink(shapes.columns), batch, training=False)
    net.load(trained.checkpoint.weights)
    return net


def _predictor(trained: Trained, data: Dataset, crops: CropsName, engine: Engine, batch: int = BATCH) -> Predictor:
    if trained.classes != [each.name for each in data.classes]:
        raise Failure(f"{data.path}: its classes are not those of {trained.run}; name the data it was trained on")
    views = CROPS[crops](data.size, trained.recipe.net.crop)
    return Predictor(_net(trained, batch, engine), data.mean, views, trained.recipe.dropout)


def evaluate(
    paths: list[Path],
    data_path: Path | None,
    split_name: str,
    crops: CropsName,
    engine: Engine,
    as_json: bool,
    probs_path: Path | None,
) -> None:
    """Error rates of one run, or of the averaged predictions of several (paper, 6)."""
    chosen = paths or [runs.resolve(None)]
    total: Floats | None = None
    for path in chosen:
        trained = runs.open_run(runs.resolve(path))
        data = Dataset(data_path or trained.data)
        split = data.split(split_name)
        predictor = _predictor(trained, data, crops, engine)
        with progress(f"eval {path.name}", len(split)) as advance:
            probs = predict_split(predictor, split, range(len(split)), advance)
        total = probs if total is None else total + probs
    assert total is not None
    mean = total / np.float32(len(chosen))
    if not np.isfinite(mean).all():
        raise Failure(f"{chosen[0]}: its predictions are not finite; use an earlier checkpoint")
    found = {
        "top1_error": misses(mean, split.labels, 1) / len(split),
        "top5_error": misses(mean, split.labels, TOP) / len(split),
        "images": len(split),
        "crops": crops,
    }
    if probs_path is not None:
        _write_probs(probs_path, mean, split.labels)
    names = ", ".join(str(path) for path in chosen)
    say(
        f"{names} on {len(split)} images of {data.path} ({split_name}), {crops} crops: "
        f"top-1 error {found['top1_error']:.2%}, top-5 error {found['top5_error']:.2%}"
    )
    if as_json:
        print(json.dumps(found), flush=True)


def _write_probs(path: Path, probs: Floats, labels: np.ndarray[tuple[int], np.dtype[np.int32]]) -> None:
    with whole_file(path) as beside, beside.open("wb") as file:
        np.savez(file, probs=probs, labels=labels)


def predict(run: Path, images: Sequence[Path], engine: Engine, as_json: bool) -> None:
    """The most probable classes of image files, by ten crops."""
    from alexnet.data.decode import Skip, square

    trained = runs.open_run(runs.resolve(run))
    data = Dataset(trained.data)
    predictor = _predictor(trained, data, "ten", engine, batch=TEN)  # one image at a time
    results = []
    for path in images:
        pixels = np.empty((data.size, data.size, 3), np.uint8)
        try:
            square(path.read_bytes(), pixels)
        except Skip as skip:
            raise Failure(f"{path}: {skip}; give a JPEG, PNG, WebP or BMP image") from skip
        except OSError as error:
            raise Failure(f"{path}: cannot be read ({error.strerror or reason(error)})") from error
        probs = predictor([pixels])[0]
        best = np.argsort(-probs, kind="stable")[:TOP]
        top = [{"class": trained.classes[index], "probability": float(probs[index])} for index in best]
        results.append({"image": str(path), "top": top})
        shown = ", ".join(f"{each['class']} {each['probability']:.1%}" for each in top)
        print(f"{path}: {shown}", flush=True)
    if as_json:
        print(json.dumps({"predictions": results}), flush=True)


def figures(run: Path | None, data_path: Path | None, split_name: str, out: Path | None, threads: int | None) -> None:
    """Fig. 3 (first-layer kernels), Fig. 4 (predictions and nearest training images), the course of the training."""
    from alexnet.figures import gallery

    trained = runs.open_run(runs.resolve(run))
    data = Dataset(data_path or trained.data)
    predictor = _predictor(trained, data, "ten", alone(None, "cpu", threads, "fp32"))
    folder = out or trained.run
    folder.mkdir(parents=True, exist_ok=True)
    for path in gallery.draw(trained, data, split_name, predictor, folder):
        say(f"drawn: {path}")


def export(run: Path, file: Path) -> None:
    """Weights as safetensors, or the test-time net as ONNX."""
    from alexnet.net.weights import export_onnx, save_safetensors

    trained = runs.open_run(runs.resolve(run))
    weights = trained.checkpoint.weights
    writers = {
        ".safetensors": lambda: save_safetensors(file, weights),
        ".onnx": lambda: export_onnx(file, trained.recipe, len(trained.classes), weights),
    }
    if file.suffix not in writers:
        raise Failure(f"{file}: end its name with {' or '.join(writers)}")
    writers[file.suffix]()
    say(f"written: {file}")
