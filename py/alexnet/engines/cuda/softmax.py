"""Softmax with its loss, and what a step is measured by, on a device (engine/cuda/softmax.cu)."""

from collections.abc import Sequence

import numpy as np

from alexnet.engines.cuda.device import NUMBER, Array, Device, Triple, Values
from alexnet.engines.cuda.shapes import check, check_kind, check_maps
from alexnet.engines.cuda.sizes import SIZES

LABEL = np.dtype(np.int32)
WARP = 32


def loss(
    device: Device,
    logits: Array,
    labels: Array,
    probs: Array,
    dlogits: Array,
    losses: Array,
    images: int,
    factor: float,
) -> None:
    """`Operations.softmax_loss`."""
    check_maps("softmax_loss", logits, probs, dlogits)
    _check("softmax_loss", logits, labels, losses, images)
    check(logits.shape[1:3] == (1, 1), "softmax_loss", "logits have no sides", logits)
    columns = logits.shape[3]
    sizes = np.int32(logits.size // columns), np.int32(columns), np.int32(images), np.float32(factor)
    arrays = _addresses(logits, labels, probs, dlogits, losses)
    device.launch("softmax_loss", *_geometry(columns), [*arrays, *map(np.asarray, sizes)])


def tally(device: Device, probs: Array, labels: Array, losses: Array, wrong: Array, sums: Array) -> None:
    """`Engine.tally`; `wrong` has room for a number an image."""
    check_maps("tally", probs)
    _check("tally", probs, labels, losses, labels.size)
    check_kind("tally", NUMBER, wrong, sums)
    check(sums.shape == (2,), "tally", "two sums", sums)
    columns, images = probs.shape[3], np.asarray(np.int32(labels.size))
    sizes = [np.asarray(np.int32(each)) for each in (probs.size // columns, columns)]
    device.launch("tally_images", *_geometry(labels.size), [*_addresses(probs, labels, wrong), *sizes, images])
    device.launch("tally", (1, 1, 1), (WARP, 1, 1), [*_addresses(losses, wrong, sums), images])


def _geometry(images: int) -> tuple[Triple, Triple]:
    """The grid and the block of kernels whose threads share an image's classes."""
    together, sharers = SIZES["SOFTMAX_IMAGES"], SIZES["SOFTMAX_SHARERS"]
    return (-(-images // together), 1, 1), (together * sharers, 1, 1)


def _check(operation: str, maps: Array, labels: Array, losses: Array, images: int) -> None:
    check_kind(operation, LABEL, labels)
    check_kind(operation, NUMBER, losses)
    fits = labels.shape == losses.shape == (images,) and 1 <= images <= maps.shape[3]
    check(fits, operation, f"{images} images", maps, labels, losses)


def _addresses(*arrays: Array) -> Sequence[Values]:
    return [each.argument for each in arrays]
