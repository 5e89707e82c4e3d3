"""A kernel that is moved over maps, as convolutions and locally connected layers do: its case, and what is right."""

from __future__ import annotations

from typing import Any, NamedTuple

from comparison import F32


class Case(NamedTuple):
    images: int
    maps: int
    height: int
    width: int
    kernels: int
    size: tuple[int, int]
    stride: int
    pad: int
    groups: int
    edge: str = "floor"

    def sides(self) -> tuple[int, int]:
        """The output's, by the floor, or by the authors' rule of the ceiling (224 -> 55)."""
        room = (self.height + 2 * self.pad - self.size[0], self.width + 2 * self.pad - self.size[1])
        up = self.stride - 1 if self.edge == "ceil" else 0
        return (room[0] + up) // self.stride + 1, (room[1] + up) // self.stride + 1

    def shape(self) -> dict[str, int]:
        return {"stride": self.stride, "pad": self.pad, "groups": self.groups}


class Problem(NamedTuple):
    x: F32
    w: F32
    b: F32
    dy: F32
    y: Any
    dx: Any
    dw: Any
    db: Any
