"""Convolutions of random shapes: directly, by Winograd's method and on one image they are the plain loops'."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from comparison import F32, close, close_each, pack, poisoned, poisoned_maps, unpack
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

# The sum of n rounded terms errs by at most n 2^-24 of the sum of their sizes.
ROUNDING = 2.0**-24
# Winograd's points are as large as 2, their powers up to 2^5: in two directions the transforms can make a result of
# terms a hundred times its size. Of 20,000 random shapes none erred by more than 1.4e-5 of the largest result; a lost
# tap errs by 1e-2 and more.
WINOGRAD = 3e-5


class Shape(NamedTuple):
    images: int
    groups: int
    maps: int  # of a group, as the kernels
    kernels: int
    height: int
    width: int
    size: tuple[int, int]
    stride: int
    pad: int
    ceil: tuple[bool, bool]

    def side(self, i: int) -> int:
        room = (self.height, self.width)[i] + 2 * self.pad - self.size[i]
        return (room + (self.stride - 1 if self.ceil[i] else 0)) // self.stride + 1

    def y(self) -> tuple[int, int, int, int]:
        return self.images, self.kernels * self.groups, self.side(0), self.side(1)

    def x(self) -> tuple[int, int, int, int]:
        return self.images, self.maps * self.groups, self.height, self.width

    def w(self) -> tuple[int, int, int, int]:
        return self.kernels * self.groups, self.maps, *self.size

    def arguments(self) -> dict[str, int]:
        return {"stride": self.stride, "pad": self.pad, "groups": self.groups}

    def has_form(self) -> bool:
        return all(2 <= -(-taps // self.stride) <= 5 for taps in self.size)


side, taps = st.integers(1, 15), st.integers(1, 6)
SHAPES = st.builds(
    Shape,
    images=st.sampled_from([1, 2, 16, 17, 33]),
    groups=st.integers(1, 3),
    maps=st.integers(1, 9),
    kernels=st.integers(1, 14),
    height=side,
    width=side,
    size=st.tuples(taps, taps),
    stride=st.integers(1, 3),
    pad=st.integers(0, 3),
    ceil=st.tuples(st.booleans(), st.booleans()),
)


def results(ops: Any, s: Shape, x: F32, w: F32, b: F32, dy: F32) -> tuple[list[Any], Any]:
    """y, dw, db, and dx, which Winograd's method has at stride 1 alone."""
    y, dx, dw, db = poisoned_maps(*s.y()), poisoned_maps(*s.x()), poisoned(*s.w()), poisoned(len(w))
    ops.conv_forward(pack(x), w, b, y, **s.arguments())
    ops.conv_backward_weights(pack(x), pack(dy), dw, db, **s.arguments())
    assert np.isfinite(y).all()
    if type(ops).__name__ == "Winograd" and s.stride > 1:
        return [unpack(y, s.images), dw, db], None
    ops.conv_backward_data(pack(dy), w, dx, **s.arguments())
    assert np.isfinite(dx).all()
    return [unpack(y, s.images), dw, db], unpack(dx, s.images)


def one_image(build: ModuleType, s: Shape, threads: int, x: F32, w: F32, b: F32) -> F32:
    y = poisoned(1, *s.y()[1:])
    build.OneImage(threads=threads).conv_forward(x[:1].copy(), w, b, y, **s.arguments())
    return y


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(s=SHAPES, threads=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_all_ways_agree(build: ModuleType, naive: Any, s: Shape, threads: int, seed: int) -> None:
    assume(min(s.y()) >= 1)
    rng = np.random.default_rng(seed)
    x, w, dy = (rng.standard_normal(shape, np.float32) for shape in (s.x(), s.w(), s.y()))
    b = rng.standard_normal(len(w), np.float32)
    (*wanted, biases), slopes = results(naive, s, x, w, b, dy)
    (*sizes, bias_sizes), slope_sizes = results(naive, s, *map(np.abs, (x, w, b, dy)))
    terms = [s.maps * s.size[0] * s.size[1] + 1, dy[:, 0].size, dy[:, 0].size, s.kernels * s.size[0] * s.size[1]]

    got, dx = results(build.Direct(threads=threads), s, x, w, b, dy)
    for found, exact, size, count in zip(
        [*got, dx], [*wanted, biases, slopes], [*sizes, bias_sizes, slope_sizes], terms, strict=True
    ):
        close_each(found, exact.astype(np.float64), size, ROUNDING * (count + 1))  # the loops' own result is rounded
    image = one_image(build, s, threads, x, w, b)
    close_each(image, wanted[0][:1].astype(np.float64), sizes[0][:1], ROUNDING * (terms[0] + 1))
    if s.has_form():
        got, dx = results(build.Winograd(threads=threads), s, x, w, b, dy)
        for found, exact in zip([*got, dx], [*wanted, biases, slopes], strict=True):
            if found is not None:
                close(found, exact.astype(np.float64), WINOGRAD)
