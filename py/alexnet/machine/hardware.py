"""Which engine and which link a command runs on, from its options: the one place that knows all of them."""

from dataclasses import dataclass

from alexnet.console import say
from alexnet.engines import Engine, Precision
from alexnet.errors import Failure
from alexnet.links import Link, place
from alexnet.links.solo import SoloLink
from alexnet.machine import devices, world
from alexnet.machine.cores import allowed, cores, share


@dataclass(frozen=True)
class Hardware:
    """GPUs by index, a process each, or none: `processes` of `threads` threads on the CPU."""

    gpus: tuple[int, ...]
    processes: int
    threads: int
    precision: Precision

    @property
    def device(self) -> str:
        if not self.gpus:
            return "cpu"
        from alexnet.engines.cuda.facts import devices as usable

        there = usable()
        return ", ".join(there[index]["name"] for index in self.gpus)

    @property
    def name(self) -> str:
        return f"{len(self.gpus)} GPUs in {self.precision}" if self.gpus else "the CPU"

    def arguments(self) -> list[str]:
        """The options that ask for just this, for the processes that a command starts."""
        chosen = ["--gpus", ",".join(map(str, self.gpus)), "--precision", self.precision]
        if not self.gpus:
            chosen = ["--device", "cpu", "--procs", str(self.processes)]
        return [*chosen, "--threads", str(self.threads)]


def choose(
    gpus: str | None, device: str | None, procs: int | None, threads: int | None, precision: Precision, columns: int
) -> Hardware:
    """What the options ask for; without any, a GPU a column where there are some, else the CPU.

    Of processes that a launcher started there are as many as it started, and each takes its share of its machine.
    Raises Failure where it is not there, or does not suit the net's columns.
    """
    started = world.started()
    if started > 1:
        world.join()
        if procs not in (None, started):
            raise Failure(f"--procs {procs}: {started} processes were started; leave out --procs")
    chosen = _chosen(gpus, device, procs, columns)
    processes = started if started > 1 else len(chosen) or procs or columns
    place(columns, processes, 0)
    return Hardware(chosen, processes, threads or _threads(processes), precision)


def alone(gpus: str | None, device: str | None, threads: int | None, precision: Precision) -> Engine:
    """The engine of a command that runs in one process, whoever started it."""
    chosen = _chosen(gpus, device, None, 1)
    if len(chosen) > 1:
        raise Failure(f"--gpus {gpus}: this runs on one GPU; name one of them")
    return _assemble_alone(Hardware(chosen, 1, threads or cores(), precision), 1)[0]


def assemble(hardware: Hardware, columns: int, *, fast: bool = True) -> tuple[Engine, Link]:
    """This process's engine, and its link to the others; `fast` convolutions on the CPU."""
    if world.started() == 1:
        return _assemble_alone(hardware, columns, fast=fast)
    if hardware.gpus:
        return _assemble_gpus(hardware, columns)
    from alexnet.engines.cpu import CpuEngine
    from alexnet.links.mpi import MpiLink

    return CpuEngine(hardware.threads, fast=fast), MpiLink(columns)


def _assemble_alone(hardware: Hardware, columns: int, *, fast: bool = True) -> tuple[Engine, Link]:
    link = SoloLink(columns)
    if not hardware.gpus:
        from alexnet.engines.cpu import CpuEngine

        return CpuEngine(hardware.threads, fast=fast), link
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


def _chosen(gpus: str | None, device: str | None, procs: int | None, columns: int) -> tuple[int, ...]:
    """The GPUs to run on; none for the CPU."""
    if gpus is not None and device == "cpu":
        raise Failure("--gpus and --device cpu exclude each other; leave out one")
    if gpus is not None:
        return asked(gpus)
    return () if device == "cpu" or procs else _found(columns)


def asked(text: str) -> tuple[int, ...]:
    """The GPUs that `--gpus` names. Raises Failure where one of them is not there."""
    try:
        chosen = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise Failure(f"--gpus {text}: write their numbers, such as --gpus 0,1") from None
    if not devices.gpus():
        raise Failure(f"--gpus {text}: {devices.no_gpu()}; use --device cpu")
    from alexnet.engines.cuda.facts import devices as usable

    count = len(usable())
    if not all(0 <= index < count for index in chosen):
        raise Failure(f"--gpus {text}: CUDA finds {count} here, {', '.join(devices.gpus())}; or use --device cpu")
    return chosen


def _found(columns: int) -> tuple[int, ...]:
    """A GPU a column, or one for all; none where the CUDA engine cannot run, which is then said."""
    if not devices.gpus():
        return ()
    from alexnet.engines.cuda.facts import devices as usable

    try:
        count = len(usable())
    except Failure as failure:
        say(f"on the CPU, for {failure}")
        return ()
    return tuple(range(columns)) if count >= columns else (0,)
