"""Every kernel at awkward sizes, by subject: what each has made. Sanitizers, planted faults, other sizes run them."""

from collections.abc import Callable

import numpy as np
from cuda_bench import Bench
from numpy.typing import NDArray

from alexnet.engines import Move
from alexnet.engines.cuda.device import Array

Made = dict[str, Array]

# images, maps, height, width, kernels, size, stride, pad, groups
CONVOLUTIONS = {
    "few kernels": (3, 4, 5, 5, 6, 3, 2, 1, 2),
    "lowest tiles": (136, 20, 4, 4, 34, 3, 1, 0, 1),  # five of columns, six stages deep, the sums in two parts
    "a low tile": (17, 7, 4, 4, 52, 2, 1, 1, 1),
    "two middle tiles": (9, 36, 4, 4, 272, 2, 1, 0, 2),
    "a tall tile": (17, 7, 4, 4, 104, 2, 1, 1, 1),
}


def convolutions(bench: Bench) -> Made:
    made: Made = {}
    for name, (images, maps, height, width, kernels, size, stride, pad, groups) in CONVOLUTIONS.items():
        random, ops = np.random.default_rng(0), bench.ops
        sides = [(side + 2 * pad - size) // stride + 1 for side in (height, width)]
        settings = {"stride": stride, "pad": pad, "groups": groups}
        x, dy = bench.values(random, images, maps, height, width), bench.values(random, images, kernels, *sides)
        w, b = bench.values(random, kernels, maps // groups, size, size), random.standard_normal(kernels, np.float32)
        y, dx, dw, db = bench.empty(*dy.shape), bench.empty(*x.shape), bench.poisoned(w), bench.poisoned(b)
        ops.conv_forward(bench.maps(x), bench.upload(w), bench.upload(b), y, **settings)
        ops.conv_backward_data(bench.maps(dy), bench.upload(w), dx, **settings)
        ops.conv_backward_weights(bench.maps(x), bench.maps(dy), dw, db, **settings)
        made |= {f"{name}: {what}": array for what, array in {"y": y, "dx": dx, "dw": dw, "db": db}.items()}
    return made


def local(bench: Bench) -> Made:
    random, ops = np.random.default_rng(1), bench.ops
    x, dy = bench.maps(bench.values(random, 3, 4, 5, 5)), bench.maps(bench.values(random, 3, 6, 3, 3))
    w = bench.upload(bench.values(random, 6, 3, 3, 2, 3, 3))
    b = bench.upload(random.standard_normal((6, 3, 3), np.float32))
    y, dx = bench.empty(3, 6, 3, 3), bench.empty(3, 4, 5, 5)
    dw, db = (bench.poisoned(np.zeros(each.shape, np.float32)) for each in (w, b))
    settings = {"stride": 2, "pad": 1, "groups": 2}
    ops.local_forward(x, w, b, y, **settings)
    ops.local_backward_data(dy, w, dx, **settings)
    ops.local_backward_weights(x, dy, dw, db, **settings)
    return {"y": y, "dx": dx, "dw": dw, "db": db}


def pooling(bench: Bench) -> Made:
    random, ops = np.random.default_rng(2), bench.ops
    x = bench.maps(bench.rounded(random.integers(-2, 3, (11, 3, 6, 5)).astype(np.float32)))  # many ties
    dy = bench.maps(bench.values(random, 11, 3, 3, 2))
    y, dx, mean, spread = (bench.empty(11, 3, *sides) for sides in ((3, 2), (6, 5), (3, 2), (6, 5)))
    argmax = bench.engine.bytes_like(y)
    ops.max_pool_forward(x, y, argmax, size=3, stride=2)
    ops.max_pool_backward(dy, argmax, dx, size=3, stride=2)
    ops.average_pool_forward(x, mean, size=3, stride=2)
    ops.average_pool_backward(dy, spread, size=3, stride=2)
    return {"max": y, "argmax": argmax, "max gradient": dx, "mean": mean, "mean gradient": spread}


def responses(bench: Bench) -> Made:
    random, ops, made = np.random.default_rng(3), bench.ops, {}
    x, dy = (bench.maps(bench.rounded(3 * bench.values(random, 3, 12, 4, 5))) for _ in range(2))
    for n in (3, 5):
        settings = {"n": n, "k": 2.0, "alpha": 0.1, "beta": 0.75}
        across, within = ([bench.empty(3, 12, 4, 5) for _ in range(2)] for _ in range(2))
        ops.lrn_forward(x, across[0], groups=2, **settings)
        ops.lrn_backward(x, dy, across[1], groups=2, relu=n == 5, **settings)
        ops.lrn_spatial_forward(x, within[0], **settings)
        ops.lrn_spatial_backward(x, dy, within[1], **settings)
        made |= {f"across {n}": across[0], f"across {n}, gradient": across[1]}
        made |= {f"within {n}": within[0], f"within {n}, gradient": within[1]}
    return made


def units(bench: Bench) -> Made:
    """Elementwise ones."""
    random, ops = np.random.default_rng(4), bench.ops
    x, dy = (bench.maps(bench.values(random, 11, 3, 5, 7)) for _ in range(2))
    names = "relu", "relu gradient", "tanh", "tanh gradient", "scale", "dropout"
    made = {name: bench.empty(11, 3, 5, 7) for name in names}
    ops.relu_forward(x, made["relu"])
    ops.relu_backward(made["relu"], dy, made["relu gradient"])
    ops.tanh_forward(x, made["tanh"])
    ops.tanh_backward(made["tanh"], dy, made["tanh gradient"])
    ops.scale(x, made["scale"], factor=2.0)
    place = {"layer": 3, "first_unit": 4, "first_image": 5}
    ops.dropout(x, made["dropout"], rate=0.5, seed=1, step=bench.number(2), **place)
    return made


def fully_connected(bench: Bench) -> Made:
    random, ops = np.random.default_rng(5), bench.ops
    x, w = bench.maps(bench.values(random, 11, 4, 5, 5)), bench.upload(bench.values(random, 37, 100))
    b = bench.upload(random.standard_normal(37, np.float32))
    logits, probs, dlogits = (bench.empty(11, 37, 1, 1) for _ in range(3))
    labels = bench.upload(random.integers(0, 37, 11).astype(np.int32))
    losses, dx = bench.poisoned(np.zeros(11)), bench.empty(11, 4, 5, 5)
    dw, db = (bench.poisoned(np.zeros(each.shape, np.float32)) for each in (w, b))
    ops.fc_forward(x, w, b, logits)
    ops.softmax_loss(logits, labels, probs, dlogits, losses, images=11, factor=0.1)
    sums = bench.poisoned(np.zeros(2))
    ops.tally(probs, labels, losses, sums)
    ops.fc_backward_data(dlogits, w, dx)
    ops.fc_backward_weights(x, dlogits, dw, db)
    made = {"logits": logits, "probs": probs, "dlogits": dlogits, "losses": losses, "sums": sums}
    return made | {"dx": dx, "dw": dw, "db": db}


def descent(bench: Bench) -> Made:
    """Of weights that convolutions read too, and of others."""
    random = np.random.default_rng(6)
    x, y, dx = bench.maps(bench.values(random, 3, 6, 4, 4)), bench.empty(3, 10, 3, 3), bench.empty(3, 6, 4, 4)
    settings, zeros = {"stride": 1, "pad": 0, "groups": 2}, bench.upload(np.zeros(10, np.float32))
    moves, numbers = [], [bench.number(value) for value in (0.1, 0.9, 0.01)]
    for shape in ((1031,), (10, 3, 2, 2)):
        w, v, g = (bench.upload(random.standard_normal(shape, np.float32)) for _ in range(3))
        moves.append(Move(w, v, g, *numbers))

    def read() -> None:
        bench.ops.conv_forward(x, w, zeros, y, **settings)
        bench.ops.conv_backward_data(y, w, dx, **settings)

    read()
    bench.engine.descend(moves)
    read()
    return {"y": y, "dx": dx} | {f"{name} {at}": getattr(moves[at], name) for at in (0, 1) for name in ("w", "v")}


def augmented(bench: Bench) -> Made:
    random, out = np.random.default_rng(7), bench.empty(35, 3, 33, 33)
    images = list(random.integers(0, 256, (35, 40, 40, 3)).astype(np.uint8))
    mean = bench.upload(random.uniform(0, 255, (40, 40, 3)).astype(np.float32))
    view = random.integers(0, 8, (35, 2)).astype(np.int32), random.integers(0, 2, 35).astype(np.uint8)
    bench.ops.augment(images, mean, out, *view, random.standard_normal((35, 3), np.float32), divide=1.1)
    return {"views": out}


CASES: dict[str, Callable[[Bench], Made]] = {
    each.__name__: each
    for each in (convolutions, local, pooling, responses, units, fully_connected, descent, augmented)
}


def run(bench: Bench, *names: str) -> dict[str, NDArray[np.float64]]:
    """What the named cases, or all, have made, on the host."""
    return {
        f"{name}, {what}": bench.engine.download(array).astype(np.float64)
        for name in names or CASES
        for what, array in CASES[name](bench).items()
    }
