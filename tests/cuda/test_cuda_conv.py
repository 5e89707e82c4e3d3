"""Convolution's three products against float64 loops, at awkward sizes; outputs are NaN before."""

import numpy as np
import pytest
import references
from cuda_bench import RUNS, Bench, device
from cuda_moved import Case

from alexnet.engines.cuda import CudaEngine

CASES = {
    "one of everything": Case(1, 1, 1, 1, 1, 1, 1, 0, 1),
    "one channel": Case(3, 1, 7, 5, 2, 3, 1, 1, 1),
    "a kernel as large as the maps": Case(9, 3, 6, 6, 5, 6, 1, 0, 1),
    "two groups": Case(5, 6, 9, 8, 10, 3, 1, 1, 2),
    "more kernels than a tile": Case(2, 5, 6, 7, 70, 3, 1, 1, 1),
    "stride and the edge beyond": Case(17, 3, 18, 18, 4, 5, 4, 0, 1, ceil=True),
    "even kernel, stride 2, wide pad": Case(7, 4, 8, 11, 6, 4, 2, 3, 2),
    "depth beyond a few stages": Case(8, 40, 4, 4, 6, 5, 1, 2, 1),
    "conv1 of the paper, one column's kernels": Case(1, 3, 17, 17, 48, 11, 4, 0, 1, ceil=True),
    "more images than a tile's columns": Case(136, 5, 3, 2, 6, 2, 1, 0, 1),
    "two tall tiles of two groups": Case(9, 4, 3, 3, 400, 2, 1, 0, 2),
    "two middle tiles, of kernels and of maps": Case(130, 140, 2, 2, 130, 1, 1, 0, 1),
    "a sum of many parts": Case(136, 2, 7, 6, 3, 3, 1, 1, 1),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_conv(bench: Bench, random: np.random.Generator, case: Case) -> None:
    c = case
    x = bench.values(random, c.images, c.maps, c.height, c.width)
    w = bench.values(random, c.kernels, c.maps // c.groups, c.size, c.size)
    b = random.standard_normal(c.kernels).astype(np.float32)
    dy = bench.values(random, *c.output)
    x_there, w_there, dy_there = bench.maps(x), bench.upload(w), bench.maps(dy)

    y = bench.empty(*c.output)
    bench.ops.conv_forward(x_there, w_there, bench.upload(b), y, **c.settings)
    wanted = references.conv(x, w, b, c.output[2:], *c.settings.values())
    bench.close(bench.plain(y, c.images), wanted)

    rectified = bench.empty(*c.output)
    bench.ops.conv_forward(x_there, w_there, bench.upload(b), rectified, relu=True, **c.settings)
    assert np.array_equal(bench.plain(rectified, c.images), np.maximum(bench.plain(y, c.images), 0))

    dx, dw, db = bench.empty(*x.shape), bench.poisoned(w), bench.poisoned(b)
    bench.ops.conv_backward_data(dy_there, w_there, dx, **c.settings)
    bench.ops.conv_backward_weights(x_there, dy_there, dw, db, **c.settings)
    wanted_dx, wanted_dw, wanted_db = references.conv_gradients(x, w, dy, *c.settings.values())
    bench.close(bench.plain(dx, c.images), wanted_dx)
    bench.near(bench.engine.download(dw), wanted_dw)
    bench.near(bench.engine.download(db), wanted_db)


def test_order_of_threads_changes_no_bit(random: np.random.Generator, precision: str) -> None:
    found = []
    x, w = random.standard_normal((4, 6, 9, 9)), random.standard_normal((8, 6, 3, 3))
    for seed in RUNS:
        bench = Bench(CudaEngine(device(precision, seed)), precision)  # type: ignore[arg-type]
        dw, db = bench.poisoned(w.astype(np.float32)), bench.poisoned(np.zeros(8, np.float32))
        dy = bench.maps(x.astype(np.float32)[:, :1].repeat(8, 1))
        bench.ops.conv_backward_weights(bench.maps(x.astype(np.float32)), dy, dw, db, stride=1, pad=1, groups=1)
        found.append(bench.engine.download(dw))
    assert all(np.array_equal(each, found[0]) for each in found)


def test_shapes_that_do_not_fit_are_named(bench: Bench) -> None:
    x, w, b = bench.empty(2, 3, 8, 8), bench.upload(np.zeros((4, 3, 3, 3), np.float32)), bench.empty(1, 4, 1, 1)
    with pytest.raises(ValueError, match=r"conv_forward: .*\(3, 8, 8, 8\)"):
        bench.ops.conv_forward(x, w, b, bench.empty(2, 4, 5, 8), stride=1, pad=1, groups=1)
