"""Every kernel of a training step on a GPU: its time by itself, its floor, its share of the step.

What an engine gives to its device in one step is noted, with the operation that it belongs to; then each launch is
recorded many times over and timed, as `ceilings` does with the parts of a step.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from alexnet.bench.ceilings import AGAIN, Ceilings
from alexnet.engines.cuda import CudaEngine
from alexnet.engines.cuda.device import Array, Device
from alexnet.net.layers import Pass
from alexnet.net.net import Net, Rates

KERNELS = {"descend": "sgd", "tally": "tally_images"}  # that do the work of operations which are called otherwise
PRODUCTS = {"forward": (1, 3), "backward_data": (1, 0), "backward_weights": (2, 1)}  # which arguments w and y are


@dataclass
class KernelTimes:
    """Of one kernel in a step, the convolutions' by layer: seconds of all its launches, and what they take at least.

    The floor is that of bytes that the operation must move, and of multiply-adds that it must make, at the best rates
    measured; 0 of a kernel that only helps another.
    """

    layer: str
    kernel: str
    launches: int = 0
    seconds: float = 0.0
    floor_s: float = 0.0


@dataclass
class Underway:
    """What a net is at: the layer of its pass, and the operation that the next launches belong to, with its floor."""

    layer: str = ""
    name: str = ""
    floor: int = 0
    needed: int = 0

    @contextmanager
    def within(self, part: str) -> Iterator[None]:
        """A net's `watch`."""
        self.layer = part.split()[0]
        yield

    @contextmanager
    def operation(self, name: str, floor: int, needed: int) -> Iterator[None]:
        """An operation with the bytes that it must move, the multiply-adds that it must make."""
        self.name, self.floor, self.needed = name, floor, needed
        yield

    def share(self, kernel: str) -> tuple[str, int, int]:
        """The layer that a launch is counted in, and how much of the operation's floor is its: all or nothing."""
        layer, own = place(self.layer, self.name, kernel)
        return layer, self.floor * own, self.needed * own


@dataclass
class Told:
    """An engine's operations; `underway` is told of each, with its floor, before it runs."""

    ops: Any
    underway: Underway

    def __getattr__(self, name: str) -> Callable[..., None]:
        operation = getattr(self.ops, name)

        def act(*arguments: Any, **settings: Any) -> None:
            with self.underway.operation(name, floor(name, arguments), needed(name, arguments)):
                operation(*arguments, **settings)

        return act


@dataclass(frozen=True)
class Launch:
    """One launch: where it is counted, its floor, and how it is made again."""

    layer: str
    kernel: str
    floor: int
    needed: int
    again: Callable[[], None]


class Noting:
    """A device, and what it was given."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.underway = Underway()
        self.launches: list[Launch] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def launch(self, kernel: str, *how: Any) -> None:
        """As `Device.launch`, and noted."""
        self._note(kernel, partial(self._device.launch, kernel, *how))

    def gemm(self, *matrices: Array, **settings: Any) -> None:
        """As `Device.gemm`, and noted by the operation's name."""
        self._note(self.underway.name, partial(self._device.gemm, *matrices, **settings))

    def _note(self, kernel: str, again: Callable[[], None]) -> None:
        again()
        layer, floor, needed = self.underway.share(kernel)
        self.launches.append(Launch(layer, kernel, floor, needed, again))


def place(layer: str, operation: str, kernel: str) -> tuple[str, bool]:
    """Where a launch is counted, convolutions by layer and others together; whether the operation's floor is its."""
    own = kernel.startswith(KERNELS.get(operation, operation))
    return layer if kernel.startswith("conv_") and own else "", own


def kernels(net: Net, images: Any, now: Pass, rates: Rates, momentum: float, best: Ceilings) -> list[KernelTimes]:
    """The kernels of a step of this net, in the order in which they come; nothing of it is changed.

    All processes that share the net take part, and each measures its own.
    """
    engine = net.engine
    assert isinstance(engine, CudaEngine)
    noting = Noting(engine.device)
    watched = CudaEngine(cast(Device, noting), records=False)
    watched.ops = Told(watched.ops, noting.underway)  # type: ignore[assignment]
    again = Net(net.topology, watched, net.link, net.batch, training=True, watch=noting.underway.within)
    for own, theirs in zip(again.parameters, net.parameters, strict=True):
        own.value[...] = theirs.value
    again.step(images, now, rates, momentum)  # makes what is made once
    noting.launches.clear()
    again.step(images, now, rates, momentum)
    found: dict[tuple[str, str], KernelTimes] = {}
    for each in noting.launches:
        times = found.setdefault((each.layer, each.kernel), KernelTimes(each.layer, each.kernel))
        times.launches += 1
        times.seconds += _seconds(engine.device, each.again)
        times.floor_s += max(each.floor / best.bytes_per_s, 2e-9 * each.needed / best.gflops)
    return list(found.values())


def _seconds(device: Device, act: Callable[[], None]) -> float:
    def many() -> None:
        for _ in range(AGAIN):
            act()

    graph = device.capture(many)
    graph.launch()
    begin = device.mark()
    graph.launch()
    return device.seconds(begin, device.mark()) / AGAIN


def floor(name: str, arguments: Sequence[Any]) -> int:
    """Bytes of an operation's operands and results."""
    if name == "descend":  # weights and momenta are read and written, and weights again as products read them
        moves = arguments[0]
        copies = [form.array for each in moves for form in each.w.forms]
        copies += [each.w.shadow for each in moves if each.w.shadow]
        return sum(5 * int(each.w.nbytes) for each in moves) + sum(int(each.nbytes) for each in copies)
    arrays = [each for each in arguments if isinstance(each, Array)]
    moved = sum(each.nbytes for each in arrays)
    if name in ("fc_forward", "fc_backward_data") and arrays[1].shadow is not None:
        return moved - arrays[1].nbytes // 2  # it is the weights' copy in bf16 that is read
    if name == "augment":
        return moved + sum(int(each.nbytes) for each in arguments[0])
    return moved


def needed(name: str, arguments: Sequence[Any]) -> int:
    """Multiply-adds of a product: by each weight one for every image, and of a convolution's for every place."""
    kind, _, part = name.partition("_")
    if kind not in ("conv", "fc", "local") or part not in PRODUCTS:
        return 0
    w, y = (arguments[at] for at in PRODUCTS[part])
    return int(w.size * (y.shape[-1] if kind == "local" else y.size // y.shape[0]))
