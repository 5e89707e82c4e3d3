"""What the page to play with is told about one image: classes, what each crop says, every layer's maps, its like."""

import base64
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexnet.data.decode import Skip, square
from alexnet.data.format import Pixels, titles
from alexnet.errors import Failure
from alexnet.figures.maps import rows
from alexnet.predict.run import Run
from alexnet.recipe.topology import topology
from alexnet.retrieval.alike import Alike

PLACES = ("upper left", "upper right", "lower left", "lower right", "centre")  # in the order of `ten_crops`
LIKELY = 5
SIDE = 128  # of the pictures of images that are alike


class Answers:
    """A run that answers, one image at a time; with what is `alike` if features were kept."""

    def __init__(self, run: Run, alike: Alike | None = None) -> None:
        self._run, self._names, self._alike = run, titles(run.classes), alike
        self._shapes = topology(run.recipe.net, len(run.classes))
        self._predictor = run.predictor("ten", 1, plain=True)

    def __call__(self, content: bytes) -> dict[str, Any]:
        """Of an image file's bytes. Raises Failure where they are none that can be decoded."""
        pixels: Pixels = np.empty((self._run.size, self._run.size, 3), np.uint8)
        try:
            square(content, pixels)
        except Skip as skip:
            raise Failure(f"this cannot be used: {skip}; give a JPEG, PNG, WebP or BMP image") from skip
        layer = self._run.recipe.net.last_hidden if self._alike is None else self._alike.layer
        looked = self._predictor.look(pixels, layer)
        mean = looked.probs.mean(axis=0, dtype=np.float64)
        return {
            "picture": _png(pixels),
            "top": self._likely(mean, LIKELY),
            "crops": self._crops(looked.probs),
            "layers": self._layers(looked.maps),
            "alike": self._nearest(looked.features),
        }

    def _likely(self, probs: NDArray[Any], count: int) -> list[dict[str, Any]]:
        best = np.argsort(-probs, kind="stable")[:count]
        return [{"index": int(each), "name": self._names[each], "probability": float(probs[each])} for each in best]

    def _crops(self, probs: NDArray[Any]) -> list[dict[str, Any]]:
        called = [f"{place}{reflected}" for reflected in ("", ", reflected") for place in PLACES]
        return [{"crop": name, **self._likely(own, 1)[0]} for name, own in zip(called, probs, strict=True)]

    def _layers(self, maps: Mapping[str, NDArray[np.float32]]) -> list[dict[str, Any]]:
        return [
            {"name": row.name, "text": row.text, "sheets": [_png(each) for each in row.sheets]}
            for row in rows(self._shapes, maps)
        ]

    def _nearest(self, features: NDArray[np.float32]) -> list[dict[str, Any]]:
        found = [] if self._alike is None else self._alike(features)
        return [
            {"picture": _png(_small(each.pixels)), "name": self._names[each.label], "distance": each.distance}
            for each in found
        ]


def _small(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE))
    return np.asarray(image)


def _png(values: NDArray[np.uint8]) -> str:
    """Bytes (H, W) or (H, W, 3) as a picture inside the answer."""
    file = BytesIO()
    Image.fromarray(values).save(file, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
