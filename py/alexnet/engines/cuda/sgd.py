"""Gradient descent on a device, many parameters in one launch (engine/cuda/sgd.cu)."""

from collections.abc import Sequence

import numpy as np

from alexnet.engines.cuda.device import Array, Device, flat
from alexnet.engines.cuda.shapes import PACK, check, check_kind, check_numbers, check_same
from alexnet.engines.cuda.sizes import SIZES
from alexnet.engines.maps import FLOAT
from alexnet.engines.operations import Move

FORMS = 2  # packed forms of a parameter, of the forward pass and of the data gradient

ADDRESS = np.dtype(np.uint64)
POINTERS = "w", "v", "g", "shadow", "packed", "rate", "momentum", "decay"
MOVED = np.dtype(
    [(name, ADDRESS, (FORMS,)) if name == "packed" else (name, ADDRESS) for name in POINTERS]
    + [(name, np.int64) for name in ("count", "begin", "end")]
    + [("forms", PACK, (FORMS,))]
)


def run(device: Device, moves: Sequence[Move]) -> None:
    """`Engine.descend`."""
    for each in moves:
        _check(each)
    together = SIZES["SGD_TOGETHER"]
    for first in range(0, len(moves), together):
        _launch(device, moves[first : first + together])


def _launch(device: Device, moves: Sequence[Move]) -> None:
    moved, fours = np.zeros(SIZES["SGD_TOGETHER"], MOVED), 0
    for place, each in zip(moved, moves, strict=False):
        for name, array in each._asdict().items():
            place[name] = array.address
        if each.w.shadow is not None:
            place["shadow"] = each.w.shadow.address
        for at, form in enumerate(each.w.forms):
            place["packed"][at], place["forms"][at] = form.array.address, form.shape
        place["count"], place["begin"] = each.w.size, fours
        fours += -(-each.w.size // 4)
        place["end"] = fours
    flat(device, "sgd", fours, moved, np.int64(fours))


def _check(move: Move) -> None:
    arrays: Sequence[Array] = move.w, move.v, move.g
    check_kind("sgd", FLOAT, *arrays)
    check_same("sgd", *arrays)
    check_numbers("sgd", move.rate, move.momentum, move.decay)
    check(all(each.address % 16 == 0 for each in arrays), "sgd", "arrays begin at 16 bytes", *arrays)
    check(len(move.w.forms) <= FORMS, "sgd", f"weights are packed in {FORMS} forms at most", *arrays)
