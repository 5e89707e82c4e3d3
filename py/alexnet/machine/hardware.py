"""Which engine and which link a command runs on, from its options: the one place that knows all of them."""

from dataclasses import dataclass

from alexnet.console import say
from alexnet.engines import Engine, Precision
from alexnet.errors import Failure
from alexnet.links import Link, place
from alexnet.links.solo import SoloLink
from alexnet.machine import devices, launch


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

    Raises Failure where it is not there, or does not suit the net's columns.
    """
    if gpus is not None and device == "cpu":
        raise Failure("--gpus and --device cpu exclude each other; leave out one")
    chosen = asked(gpus) if gpus is not None else () if device == "cpu" or procs else _found(columns)
    processes = len(chosen) or procs or columns
    place(columns, processes, 0)
    return Hardware(chosen, processes, threads or max(1, devices.cores() // processes), precision)


def alone(gpus: str | None, device: str | None, threads: int | None, precision: Precision) -> Engine:
    """The engine of a command that runs in one process."""
    hardware = choose(gpus, device, None, threads, precision, 1)
    if hardware.processes > 1:
        raise Failure(f"--gpus {gpus}: this runs on one GPU; name one of them")
    return assemble(hardware, 1)[0]


def assemble(hardware: Hardware, columns: int, *, fast: bool = True) -> tuple[Engine, Link]:
    """This process's engine, and its link to the others; `fast` convolutions on the CPU."""
    if hardware.gpus:
        return _on_gpu(hardware, columns)
    from alexnet.engines.cpu import CpuEngine

    engine = CpuEngine(hardware.threads, fast=fast)
    if not launch.inside():
        return engine, SoloLink(columns)
    from alexnet.links.mpi import MpiLink

    return engine, MpiLink(columns)


def _on_gpu(hardware: Hardware, columns: int) -> tuple[Engine, Link]:
    from alexnet.engines.cuda import CudaEngine
    from alexnet.engines.cuda.gpu import GpuDevice

    if not launch.inside():
        return CudaEngine(GpuDevice(hardware.gpus[0], hardware.precision)), SoloLink(columns)
    from alexnet.links.nccl import link_gpus, own_gpu
    from alexnet.links.staged import StagedLink

    device = GpuDevice(own_gpu(hardware.gpus), hardware.precision)
    link = link_gpus(columns, device, launch.fail)
    return CudaEngine(device, records=not isinstance(link, StagedLink)), link


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
