"""A kernel that is moved over maps, as convolutions and locally connected layers do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    images: int
    maps: int
    height: int
    width: int
    kernels: int
    size: int
    stride: int
    pad: int
    groups: int
    ceil: bool = False

    @property
    def output(self) -> tuple[int, int, int, int]:
        def side(length: int) -> int:
            reach = length + 2 * self.pad - self.size
            return (-(-reach // self.stride) if self.ceil else reach // self.stride) + 1

        return self.images, self.kernels, side(self.height), side(self.width)

    @property
    def settings(self) -> dict[str, int]:
        return {"stride": self.stride, "pad": self.pad, "groups": self.groups}
