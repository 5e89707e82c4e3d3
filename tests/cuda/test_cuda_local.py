"""The three products of locally connected layers against float64 loops, at awkward sizes; outputs are NaN before."""

import numpy as np
import pytest
import references
from cuda_bench import Bench
from cuda_moved import Case

CASES = {
    "one of everything": Case(1, 1, 1, 1, 1, 1, 1, 0, 1),
    "one channel": Case(3, 1, 4, 5, 2, 3, 1, 1, 1),
    "no whole rows of a thread, in groups": Case(5, 6, 4, 3, 10, 3, 1, 1, 2),
    "more images than a warp's": Case(130, 2, 3, 2, 5, 2, 1, 1, 1),
    "stride and the edge beyond": Case(17, 3, 8, 9, 4, 3, 2, 0, 1, ceil=True),
    "even kernel, stride 3, wide pad": Case(7, 4, 7, 8, 6, 4, 3, 3, 2),
    "places of the paper's net": Case(8, 6, 6, 6, 9, 3, 1, 1, 1),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_local(bench: Bench, random: np.random.Generator, case: Case) -> None:
    c, places = case, case.output[2:]
    x = bench.values(random, c.images, c.maps, c.height, c.width)
    w = bench.values(random, c.kernels, *places, c.maps // c.groups, c.size, c.size)
    b = random.standard_normal((c.kernels, *places)).astype(np.float32)
    dy = bench.values(random, *c.output)
    x_there, w_there, dy_there = bench.maps(x), bench.upload(w), bench.maps(dy)

    y = bench.empty(*c.output)
    bench.ops.local_forward(x_there, w_there, bench.upload(b), y, **c.settings)
    bench.close(bench.plain(y, c.images), references.local(x, w, b, **c.settings))

    dx, dw, db = bench.empty(*x.shape), bench.poisoned(w), bench.poisoned(b)
    bench.ops.local_backward_data(dy_there, w_there, dx, **c.settings)
    bench.ops.local_backward_weights(x_there, dy_there, dw, db, **c.settings)
    wanted_dx, wanted_dw, wanted_db = references.local_gradients(x, w, dy, **c.settings)
    bench.close(bench.plain(dx, c.images), wanted_dx)
    bench.near(bench.engine.download(dw), wanted_dw)
    bench.near(bench.engine.download(db), wanted_db)
