"""Response normalisation on a device, across maps and within them (engine/cuda/lrn.cu, lrn_spatial.cu)."""

from collections.abc import Sequence

from alexnet.engines.cuda.device import Array, Device, flat
from alexnet.engines.cuda.shapes import LRN, SPATIAL, check, check_response, make
from alexnet.engines.cuda.sizes import SIZES


def across(
    device: Device,
    kernel: str,
    arrays: Sequence[Array],
    n: int,
    k: float,
    alpha: float,
    beta: float,
    groups: int,
    relu: bool = False,
) -> None:
    check_response(kernel, arrays, n, k, alpha)
    maps = arrays[0].shape[0]
    check(groups >= 1 and maps % groups == 0, kernel, f"{groups} groups do not fit", *arrays)
    plane = arrays[0].chunks // maps
    arguments = [*(each.argument for each in arrays), make(LRN, plane, maps // groups, n, relu, k, alpha, beta)]
    if n // 2 == SIZES["LRN_REACH"]:
        flat(device, f"{kernel}_walk", plane, *arguments, rows=groups, together=SIZES["LRN_THREADS"])
    else:
        flat(device, kernel, plane, *arguments, rows=maps)


def within(device: Device, kernel: str, arrays: Sequence[Array], n: int, k: float, alpha: float, beta: float) -> None:
    maps, height, width, _ = arrays[0].shape
    pixel = arrays[0].chunks // (maps * height * width)
    shape = make(SPATIAL, pixel, height, width, n, k, alpha, beta)
    flat(device, kernel, height * width * pixel, *(each.argument for each in arrays), shape, rows=maps)
