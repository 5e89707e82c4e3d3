"""Which engine and which link a command runs on, from what was asked for: the one place that knows all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from numpy.typing import NDArray

from alexnet.console import counted
from alexnet.engines import Engine, Floats, Precision, native
from alexnet.errors import Failure
from alexnet.links import Link, place
from alexnet.links.solo import SoloLink
from alexnet.machine import devices, signals, world
from alexnet.machine.cores import allowed, cores, share


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Where a command shall run, as it was asked for; None where nothing was said.

    Raises Failure where the wishes exclude each other.
    """

    gpus: str | None = None
    device: Literal["cpu"] | None = None
    procs: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.gpus is not None and self.device == "cpu":
            raise Failure("--gpus and --device cpu cannot be combined; leave out one")
        if self.gpus is not None and self.procs is not None:
            raise Failure("--gpus and --procs cannot be combined: each GPU named has a process; leave out --procs")

    def arguments(self) -> list[str]:
        """The options that ask for it."""
        asked = {"--gpus": self.gpus, "--device": self.device, "--procs": self.procs, "--threads": self.threads}
        return [part for name, value in asked.items() if value is not None for part in (name, str(value))]


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """GPUs by index, a process each, or none: `processes` of `threads` threads on the CPU.

    `precision` is that of products; `note` is why it is not what a person might expect.
    """

    gpus: tuple[int, ...]
    processes: int
    threads: int
    precision: Precision
    note: str = ""

    @property
    def device(self) -> str:
        """The names of the GPUs, or "cpu"."""
        if not self.gpus:
            return "cpu"
        there = devices.gpus()
        return ", ".join(there[index].name for index in self.gpus)

    @property
    def name(self) -> str:
        """For people, in a few words."""
        if self.gpus:
            return f"{counted(len(self.gpus), 'GPU')} in {self.precision}"
        return "the CPU" if self.precision == "fp32" else f"the CPU in {self.precision}"

    def arguments(self, wanted: Wanted) -> list[str]:
        """The options that ask for just this beside those of `wanted`, for the processes that a command starts."""
        if self.gpus:
            settled = Wanted(gpus=",".join(map(str, self.gpus)), threads=self.threads)
        else:
            settled = Wanted(device="cpu", procs=self.processes, threads=self.threads)
        said = {name: None for name, value in vars(wanted).items() if value is not None}
        return replace(settled, **said).arguments()


def choose(wanted: Wanted, columns: int, precision: Precision) -> Hardware:
    """What is asked for; where nothing is said, a GPU per column where there are some, else the CPU.

    Of processes that a launcher started there are as many as it started, and each takes its share of its machine.
    Raises Failure where it is not there, cannot compute in `precision`, or does not suit the net's columns.
    """
    started = world.started()
    if started > 1:
        world.join()
        signals.release()
        if wanted.procs not in (None, started):
            raise Failure(f"--procs {wanted.procs}: {started} processes were started; leave out --procs")
    chosen, note = _gpus(wanted, columns)
    _check_precision(chosen, precision)
    processes = started if started > 1 else len(chosen) or wanted.procs or columns
    place(columns, processes, 0)
    threads = wanted.threads or _threads(processes)
    return Hardware(gpus=chosen, processes=processes, threads=threads, precision=precision, note=note)


def alone(
    wanted: Wanted, precision: Precision | None = None, *, trained_in: Precision = "fp32", fast: bool = True
) -> Engine:
    """The engine of a command that runs in one process, whoever started it.

    Where no precision is asked for, it is the one that the net was trained in, or fp32 on the CPU.
    Raises Failure as `choose` does.
    """
    chosen = _one_gpu(wanted)
    taken = precision or (trained_in if chosen else "fp32")
    _check_precision(chosen, taken)
    hardware = Hardware(gpus=chosen, processes=1, threads=wanted.threads or cores(), precision=taken)
    return _assemble_alone(hardware, 1, fast=fast)[0]


def product(wanted: Wanted) -> Callable[[NDArray[Any], NDArray[Any]], Floats] | None:
    """What multiplies a (n, d) with b (m, d) on the GPU of a command without a net, in fp32 always; None on the CPU.

    Raises Failure as `choose` does.
    """
    chosen = _one_gpu(wanted)
    if not chosen:
        return None
    from alexnet.engines.cuda.gpu import GpuDevice
    from alexnet.engines.cuda.product import on_device

    return on_device(GpuDevice(chosen[0], "fp32"))


def _one_gpu(wanted: Wanted) -> tuple[int, ...]:
    """The GPU of a command that runs in one process, or none."""
    chosen, _ = _gpus(wanted, 1)
    if len(chosen) > 1:
        raise Failure(f"--gpus {wanted.gpus}: this runs on one GPU; name one of them")
    return chosen


def _check_precision(gpus: tuple[int, ...], precision: Precision) -> None:
    if gpus or precision == "fp32":
        return
    if precision == "tf32":
        raise Failure("engine.precision = tf32: the CPU has no such products; use --gpus, or --precision fp32")
    native.bf16()


def side_by_side(wanted: Wanted, count: int) -> list[Wanted]:
    """Where up to `count` trainings run at a time, as none waits for another: a GPU each, or an equal share of the
    cores. One place where processes or threads were asked for. Raises Failure as `choose` does."""
    if wanted.procs or wanted.threads or not count:
        return [wanted]
    gpus: Sequence[int] = () if wanted.device == "cpu" else range(_usable()[0])
    if wanted.gpus is not None:
        gpus = asked(wanted.gpus)
    if gpus:
        return [Wanted(gpus=str(each)) for each in gpus[:count]]
    places = min(cores(), count)
    return [Wanted(device="cpu", procs=1, threads=cores() // places)] * places


def assemble(hardware: Hardware, columns: int, *, fast: bool = True) -> tuple[Engine, Link]:
    """This process's engine, and its link to the others; `fast` convolutions on the CPU."""
    if world.started() == 1:
        return _assemble_alone(hardware, columns, fast=fast)
    if hardware.gpus:
        return _assemble_gpus(hardware, columns)
    from alexnet.engines.cpu import CpuEngine
    from alexnet.links.mpi import MpiLink

    return CpuEngine(hardware.threads, fast=fast, precision=hardware.precision), MpiLink(columns)


def _assemble_alone(hardware: Hardware, columns: int, *, fast: bool) -> tuple[Engine, Link]:
    link = SoloLink(columns)
    if not hardware.gpus:
        from alexnet.engines.cpu import CpuEngine

        return CpuEngine(hardware.threads, fast=fast, precision=hardware.precision), link
    from alexnet.engines.cuda import CudaEngine
    from alexnet.engines.cuda.gpu import GpuDevice

    return CudaEngine(GpuDevice(hardware.gpus[0], hardware.precision)), link


def _assemble_gpus(hardware: Hardware, columns: int) -> tuple[Engine, Link]:
    from alexnet.engines.cuda import CudaEngine
    from alexnet.engines.cuda.gpu import GpuDevice
    from alexnet.links.nccl import link_gpus, own_gpu
    from alexnet.links.staged import StagedLink

    device = GpuDevice(own_gpu(hardware.gpus), hardware.precision)
    link = link_gpus(columns, device, world.end)
    return CudaEngine(device, records=not isinstance(link, StagedLink)), link


def _threads(processes: int) -> int:
    """Threads for this process: of those that a launcher started here, or of so many that will be."""
    own = allowed()
    return share(own, world.neighbours(own) if world.started() > 1 else [own] * processes)


def _gpus(wanted: Wanted, columns: int) -> tuple[tuple[int, ...], str]:
    """The GPUs to use, and why there are none where a person might expect some."""
    if wanted.gpus is not None:
        return asked(wanted.gpus), ""
    if wanted.device == "cpu":
        return (), ""
    count, note = _usable()
    if count and wanted.procs:
        raise Failure(f"--procs {wanted.procs} counts processes on the CPU, and there are GPUs here; add --device cpu")
    return tuple(range(columns if count >= columns else min(count, 1))), note


def _usable() -> tuple[int, str]:
    """How many GPUs the CUDA engine can take unasked, and why none where there are some."""
    try:
        there = devices.gpus()
        return (_able(there) if there else 0), ""
    except Failure as failure:
        return 0, f"on the CPU, for {failure}"


def _able(there: list[devices.Gpu]) -> int:
    """How many of them, from the first, can run the kernels. Raises Failure where it is none, or CuPy is not there."""
    from alexnet.engines.cuda.gpu import LEAST_CAPABILITY, import_cupy

    import_cupy()
    able = [float(gpu.capability) >= LEAST_CAPABILITY for gpu in there]
    if not able[0]:
        raise Failure(f"{there[0].name} has compute capability {there[0].capability}; {LEAST_CAPABILITY} is needed")
    return [*able, False].index(False)


def asked(text: str) -> tuple[int, ...]:
    """The GPUs that `--gpus` names. Raises Failure where one of them is not there."""
    try:
        chosen = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise Failure(f"--gpus {text}: write their numbers, such as --gpus 0,1") from None
    there = devices.gpus()
    if not there:
        raise Failure(f"--gpus {text}: {devices.no_gpu()}; use --device cpu")
    if not all(0 <= index < len(there) for index in chosen):
        names = ", ".join(gpu.name for gpu in there)
        raise Failure(f"--gpus {text}: CUDA finds {len(there)} here, {names}; or use --device cpu")
    _able([there[index] for index in chosen])
    return chosen
