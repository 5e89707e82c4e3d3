"""What a measurement found: times of a step, its layers and kernels, and the rates that follow from them."""

from dataclasses import asdict, dataclass
from typing import Any

from alexnet.bench.ceilings import Ceilings
from alexnet.bench.kernels import KernelTimes


@dataclass(frozen=True)
class LayerTimes:
    """Seconds of one layer in a step, and its multiply-adds on the whole batch: direct ones, and those done."""

    name: str
    forward_s: float
    backward_s: float
    forward_work: int
    backward_work: int
    forward_done: int
    backward_done: int
    traffic: int  # bytes read and written, each operand of a product once

    @property
    def bytes_per_s(self) -> float:
        """Rate of the traffic, forward and backward together."""
        return self.traffic / (self.forward_s + self.backward_s)

    @property
    def gflops(self) -> float:
        """Rate of direct work, forward and backward together, two operations a multiply-add."""
        return gflops(self.forward_work + self.backward_work, self.forward_s + self.backward_s)

    @property
    def gflops_done(self) -> float:
        """Rate of the work done."""
        return gflops(self.forward_done + self.backward_done, self.forward_s + self.backward_s)


@dataclass(frozen=True)
class Report:
    """What was measured; `sums_s` and `update_s` are the parts of a step outside its layers."""

    procs: int
    batch: int
    step_s: float
    sums_s: float
    update_s: float
    forward_s: float
    ten_crop_s: float
    ten_crop_images: int
    one_image_s: float
    peak_rss_mb: float
    layers: tuple[LayerTimes, ...]
    ceilings: Ceilings | None = None  # of engines that record their work
    kernels: tuple[KernelTimes, ...] = ()  # of a step on a GPU

    def as_json(self, device: str, threads: int) -> dict[str, Any]:
        """The object of `bench --json`; its keys are a contract.

        With ceilings, they, the layers' bytes a second and the kernels of a step are added.
        """
        found: dict[str, Any] = {
            "device": device,
            "procs": self.procs,
            "threads": threads,
            "batch": self.batch,
            "step_s": self.step_s,
            "images_per_s": self.batch / self.step_s,
            "forward_images_per_s": self.batch / self.forward_s,
            "ten_crop_images_per_s": self.ten_crop_images / self.ten_crop_s,
            "one_image_s": self.one_image_s,
            "peak_rss_mb": self.peak_rss_mb,
            "layers": [
                {
                    "name": each.name,
                    "forward_s": each.forward_s,
                    "backward_s": each.backward_s,
                    "gflops": each.gflops,
                    "gflops_done": each.gflops_done,
                }
                for each in self.layers
            ],
        }
        if self.ceilings:
            found["ceilings"] = asdict(self.ceilings)
            for each, layer in zip(found["layers"], self.layers, strict=True):
                each["bytes_per_s"] = layer.bytes_per_s
            found["kernels"] = [asdict(each) | {"share": each.seconds / self.step_s} for each in self.kernels]
        return found


def gflops(multiply_adds: int, seconds: float) -> float:
    """10^9 operations a second, two a multiply-add; 0 where nothing was timed."""
    return 2e-9 * multiply_adds / seconds if seconds else 0.0
