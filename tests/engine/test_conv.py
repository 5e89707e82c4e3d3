"""Convolution (section 3.5) against float64 loops."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import references
from comparison import F32, close, finite_difference, pack, poisoned, poisoned_maps, same_for_any_threads, unpack
from moved import Case, Problem


def winograd(conv: Any) -> bool:
    return type(conv).__name__ == "Winograd"


def has_form(conv: Any, case: Case) -> bool:
    """Winograd's needs 2 to 5 taps in each direction on the phases of a map, which a kernel of stride s sees."""
    return not winograd(conv) or all(2 <= -(-taps // case.stride) <= 5 for taps in case.size)


def has_data_gradient(conv: Any, case: Case) -> bool:
    """Winograd's has that at stride 1 alone."""
    return has_form(conv, case) and not (winograd(conv) and case.stride > 1)


CASES = [
    Case(1, 1, 1, 1, 1, (1, 1), 1, 0, 1),
    Case(1, 1, 5, 4, 1, (3, 3), 1, 1, 1),
    Case(2, 1, 224, 224, 1, (11, 11), 4, 0, 1, "ceil"),
    Case(15, 3, 31, 30, 7, (11, 11), 4, 0, 1, "ceil"),
    Case(17, 6, 9, 11, 10, (5, 5), 1, 2, 2),
    Case(17, 7, 5, 5, 13, (3, 3), 1, 1, 1),
    Case(130, 2, 4, 3, 3, (3, 3), 1, 1, 1),
    Case(16, 6, 7, 8, 6, (3, 3), 2, 1, 3),
    Case(3, 2, 8, 9, 4, (3, 2), 3, 2, 1, "ceil"),
    Case(2, 3, 4, 4, 5, (2, 2), 1, 3, 1),
    Case(2, 2, 9, 9, 2, (2, 2), 3, 0, 1),
    Case(3, 64, 3, 3, 12, (3, 3), 1, 1, 1),
    Case(2, 20, 2, 160, 2, (3, 3), 1, 1, 1),
    Case(17, 5, 13, 14, 7, (3, 3), 1, 1, 1),
    Case(2, 3, 27, 26, 4, (5, 4), 1, 2, 1),
    Case(2, 70, 4, 3, 5, (3, 2), 1, 0, 1),
    Case(3, 4, 8, 1, 6, (5, 2), 1, 4, 2),
]


@cache
def problem(case: Case) -> Problem:
    rng = np.random.default_rng(sum(case.size) + case.images)
    x = rng.standard_normal((case.images, case.maps, case.height, case.width), np.float32)
    w = rng.standard_normal((case.kernels, case.maps // case.groups, *case.size), np.float32)
    b = rng.standard_normal(case.kernels, np.float32)
    dy = rng.standard_normal((case.images, case.kernels, *case.sides()), np.float32)
    exact = [a.astype(np.float64) for a in (x, w, b, dy)]
    y = references.conv(*exact[:3], case.sides(), case.stride, case.pad, case.groups)
    gradients = references.conv_gradients(exact[0], exact[1], exact[3], case.stride, case.pad, case.groups)
    return Problem(x, w, b, dy, y, *gradients)


def refused(fits: bool) -> AbstractContextManager[Any]:
    """Expects to be told where Winograd's method has no form."""
    return nullcontext() if fits else pytest.raises(ValueError, match="no fast form")


def forward(ops: Any, case: Case, x: F32, w: F32, b: F32) -> F32:
    y = poisoned_maps(case.images, case.kernels, *case.sides())
    ops.conv_forward(pack(x), w, b, y, **case.shape())
    assert np.isfinite(y).all()
    return y


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(any_conv: Any, case: Case) -> None:
    p = problem(case)
    with refused(has_form(any_conv, case)):
        close(unpack(forward(any_conv, case, p.x, p.w, p.b), case.images), p.y)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_data_gradient(any_conv: Any, case: Case) -> None:
    p = problem(case)
    dx = poisoned_maps(case.images, case.maps, case.height, case.width)
    with refused(has_data_gradient(any_conv, case)):
        any_conv.conv_backward_data(pack(p.dy), p.w, dx, **case.shape())
        assert np.isfinite(dx).all()
        close(unpack(dx, case.images), p.dx)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_weight_gradient(any_conv: Any, case: Case) -> None:
    p = problem(case)
    dw, db = poisoned(*p.w.shape), poisoned(case.kernels)
    with refused(has_form(any_conv, case)):
        any_conv.conv_backward_weights(pack(p.x), pack(p.dy), dw, db, **case.shape())
        close(dw, p.dw)
        close(db, p.db)


WIDE = [Case(16, 48, 27, 27, 32, (5, 5), 1, 2, 1), Case(16, 256, 13, 13, 32, (3, 3), 1, 1, 1)]


def outputs(ops: Any, case: Case) -> list[F32]:
    """Results y, dx, dw, db on random values."""
    rng = np.random.default_rng(2)
    x, dx = (make(case.images, case.maps, case.height, case.width) for make in (normal_maps(rng), poisoned_maps))
    w = rng.standard_normal((case.kernels, case.maps // case.groups, *case.size), np.float32)
    b = rng.standard_normal(case.kernels, np.float32)
    dy, y = (make(case.images, case.kernels, *case.sides()) for make in (normal_maps(rng), poisoned_maps))
    dw, db = poisoned(*w.shape), poisoned(*b.shape)
    ops.conv_forward(x, w, b, y, **case.shape())
    ops.conv_backward_data(dy, w, dx, **case.shape())
    ops.conv_backward_weights(x, dy, dw, db, **case.shape())
    return [y, dx, dw, db]


def normal_maps(rng: np.random.Generator) -> Any:
    return lambda *shape: rng.standard_normal(poisoned_maps(*shape).shape, np.float32)


@cache
def expected(naive: Any, case: Case) -> list[F32]:
    return outputs(naive, case)


@pytest.mark.parametrize("case", WIDE, ids=str)
def test_long_sums(conv: Any, naive: Any, case: Case) -> None:
    """Layers as wide as the paper's against the plain loops: sums over many maps and pixels hold the same bounds."""
    for got, sums in zip(outputs(conv, case), expected(naive, case), strict=True):
        close(got, sums.astype(np.float64))


@pytest.mark.parametrize(
    ("case", "pays"), [(WIDE[0], True), (WIDE[1], True), (CASES[5], False), (CASES[0], False)], ids=str
)
def test_winograd_where_that_pays(build: ModuleType, case: Case, pays: bool) -> None:
    """`Fast` chooses; the result is, bit for bit, that of the way chosen."""
    way = build.Winograd if pays else build.Direct
    chosen, own = (outputs(kind(threads=2), case) for kind in (build.Fast, way))
    assert [each.tobytes() for each in chosen] == [each.tobytes() for each in own]


@pytest.mark.parametrize("case", [CASES[4], CASES[7]], ids=str)
def test_slopes(conv: Any, case: Case) -> None:
    """The gradients are the slopes of the forward pass: convolution is linear in x and in w."""
    p, rng = problem(case), np.random.default_rng(1)

    def loss(x: F32, w: F32) -> float:
        return float((unpack(forward(conv, case, x, w, p.b), case.images).astype(np.float64) * p.dy).sum())

    if has_data_gradient(conv, case):
        dx = poisoned_maps(case.images, case.maps, case.height, case.width)
        conv.conv_backward_data(pack(p.dy), p.w, dx, **case.shape())
        finite_difference(lambda x: loss(x, p.w), p.x, unpack(dx, case.images), rng, step=1, bound=1e-4)
    dw, db = poisoned(*p.w.shape), poisoned(case.kernels)
    conv.conv_backward_weights(pack(p.x), pack(p.dy), dw, db, **case.shape())
    finite_difference(lambda w: loss(p.x, w), p.w, dw, rng, step=1, bound=1e-4)


@pytest.mark.parametrize("case", [CASES[3], CASES[4], CASES[11], CASES[-4]], ids=str)
def test_same_for_any_threads(conv: Any, case: Case) -> None:
    p = problem(case)

    def outputs(conv: Any) -> list[F32]:
        dx = poisoned_maps(case.images, case.maps, case.height, case.width)
        dw, db = poisoned(*p.w.shape), poisoned(case.kernels)
        if case.stride == 1 or not winograd(conv):
            conv.conv_backward_data(pack(p.dy), p.w, dx, **case.shape())
        conv.conv_backward_weights(pack(p.x), pack(p.dy), dw, db, **case.shape())
        return [forward(conv, case, p.x, p.w, p.b), dx, dw, db]

    same_for_any_threads(conv, outputs)


@pytest.mark.parametrize("case", [WIDE[0], Case(48, 64, 13, 13, 24, (3, 3), 1, 1, 2)], ids=str)
def test_many_threads_do_what_one_does(build: ModuleType, case: Case) -> None:
    """Winograd's tiles come to their points once, and each product is made once: they are counted."""

    def done(threads: int) -> Any:
        before = build.winograd_work()
        found = [each.tobytes() for each in outputs(build.Winograd(threads=threads), case)]
        return [now - then for now, then in zip(build.winograd_work(), before, strict=True)], found

    alone = done(1)
    assert min(alone[0]) > 0
    for threads in (10, 32):
        assert done(threads) == alone


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w": (4, 3, 3, 3)}, r"x \(1, 4, 6, 6, 16\) .* w \(4, 3, 3, 3\)"),
        ({"groups": 2}, "groups 2"),
        ({"groups": 0}, "groups 0"),
        ({"stride": 0}, "stride 0"),
        ({"pad": -1}, "pad -1"),
        ({"b": (3,)}, r"b \(1, 3\)"),
        ({"y": (1, 4, 6, 7, 16)}, r"y \(1, 4, 6, 7, 16\)"),
        ({"y": (1, 4, 5, 6, 16)}, r"y \(1, 4, 5, 6, 16\)"),
        ({"y": (2, 4, 6, 6, 16)}, r"y \(2, 4, 6, 6, 16\)"),
        ({"y": (1, 3, 6, 6, 16)}, r"y \(1, 3, 6, 6, 16\)"),
        ({"w": (4, 4, 9, 9)}, "sides"),
    ],
)
def test_shapes_that_do_not_fit(ops: Any, changes: dict[str, Any], message: str) -> None:
    shapes = {"x": (1, 4, 6, 6, 16), "w": (4, 4, 3, 3), "b": (4,), "y": (1, 4, 6, 6, 16)}
    shapes |= {name: value for name, value in changes.items() if name in shapes}
    numbers = {"stride": 1, "pad": 1, "groups": 1}
    numbers |= {name: value for name, value in changes.items() if name in numbers}
    x, w, b, y = (np.zeros(shape, np.float32) for shape in shapes.values())
    with pytest.raises(ValueError, match=f"^conv_forward: .*{message}"):
        ops.conv_forward(x, w, b, y, **numbers)
    with pytest.raises(ValueError, match=f"^conv_backward_weights: .*{message.replace('b ', 'db ')}"):
        ops.conv_backward_weights(x, y, w, b, **numbers)
    if "b" not in changes:
        with pytest.raises(ValueError, match=f"^conv_backward_data: .*{message}"):
            ops.conv_backward_data(y, w, x, **numbers)


def test_one_pixel_that_is_not_a_number(conv: Any) -> None:
    """Every output that has it under its kernel shows it; by Winograd's method the others of its tiles do, too."""
    case = Case(16, 2, 13, 13, 3, (3, 3), 1, 1, 1)
    rng = np.random.default_rng(4)
    x, w = rng.standard_normal((16, 2, 13, 13), np.float32), rng.standard_normal((3, 2, 3, 3), np.float32)
    x[5, 1, 2, 9] = np.nan
    y = poisoned_maps(16, 3, 13, 13)
    conv.conv_forward(pack(x), w, np.zeros(3, np.float32), y, **case.shape())
    shown = np.isnan(unpack(y, 16))
    assert shown[5, :, 1:4, 8:11].all() and not shown[np.arange(16) != 5].any()
    assert shown[5, 0].sum() <= (2 * 6 * 6 if winograd(conv) else 9)  # of tiles of at most 6 x 6


def test_arrays_are_never_converted(engine: Any) -> None:
    """A copy of an output in another type or order would be written and lost."""
    x, w, b = np.zeros((1, 1, 3, 3, 16), np.float32), np.zeros((1, 1, 1, 1), np.float32), np.zeros(1, np.float32)
    for y in (np.zeros_like(x, np.float64), np.asfortranarray(np.zeros((1, 1, 3, 3, 16), np.float32)), x[..., :8]):
        with pytest.raises(TypeError, match="conv_forward"):
            engine.conv_forward(x, w, b, y, stride=1, pad=0, groups=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 0}, "stride 0"),
        ({"stride": -1}, "stride -1"),
        ({"pad": -1}, "pad -1"),
        ({"groups": 0}, "groups 0"),
        ({"groups": 3}, r"w \(4, 4, 3, 3\) does not divide into 3 groups"),
        ({"w": (0, 4, 3, 3)}, r"w \(0, 4, 3, 3\)"),
        ({"w": (4, 4, 0, 3)}, r"w \(4, 4, 0, 3\)"),
        ({"y": (1, 5, 6, 6, 16)}, r"y \(1, 5, 6, 6, 16\)"),
        ({"y": (1, 4, 0, 6, 16)}, r"y \(1, 4, 0, 6, 16\)"),
        ({"y": (0, 4, 6, 6, 16)}, r"y \(0, 4, 6, 6, 16\)"),
    ],
)
def test_products_of_shapes_that_do_not_fit(build: ModuleType, changes: dict[str, Any], message: str) -> None:
    given = {"w": (4, 4, 3, 3), "y": (1, 4, 6, 6, 16), "stride": 1, "pad": 1, "groups": 1} | changes
    w, y = (np.zeros(given.pop(name), np.float32) for name in ("w", "y"))
    for kind in (build.Direct, build.Fast, build.Winograd):
        with pytest.raises(ValueError, match=f"^conv_products: .*{message}"):
            kind(threads=1).conv_products(w, y, **given)


def test_products_of_the_definition(build: ModuleType) -> None:
    """All of them directly; by Winograd's method a 13 x 13 map under 3 x 3 has 2 x 2 tiles of 3 + 4 points each way."""
    w, y = np.zeros((12, 8, 3, 3), np.float32), poisoned_maps(16, 12, 13, 13)
    shape = {"stride": 1, "pad": 1, "groups": 1}
    assert build.Direct(threads=1).conv_products(w, y, **shape) == 12 * 8 * 9 * 169
    assert build.Winograd(threads=1).conv_products(w, y, **shape) < 12 * 8 * 9 * 169 / 4
    assert build.Fast(threads=1).conv_products(w[:1, :1], y[:, :1].copy(), **shape) == 9 * 169


def test_an_empty_batch(any_conv: Any) -> None:
    x, w, b = poisoned_maps(0, 4, 6, 6), np.zeros((4, 4, 3, 3), np.float32), np.zeros(4, np.float32)
    shape = {"stride": 1, "pad": 1, "groups": 1}
    with pytest.raises(ValueError, match=r"^conv_forward: .*is empty"):
        any_conv.conv_forward(x, w, b, x.copy(), **shape)
    with pytest.raises(ValueError, match=r"^conv_backward_data: .*is empty"):
        any_conv.conv_backward_data(x, w, x.copy(), **shape)
    with pytest.raises(ValueError, match=r"^conv_backward_weights: .*is empty"):
        any_conv.conv_backward_weights(x, x.copy(), w, b, **shape)
