"""`alexctl train` and `control`: from options to a trainer in each process."""

from dataclasses import dataclass, replace
from pathlib import Path

from alexnet.console import say
from alexnet.data.shards import Dataset
from alexnet.engines import Precision
from alexnet.errors import STOPPED, Failure
from alexnet.files import write_whole
from alexnet.machine import launch, world
from alexnet.machine.hardware import Hardware, asked, assemble, choose
from alexnet.net.weights import Weights, fitting, load_safetensors
from alexnet.recipe import Recipe, load
from alexnet.recipe.recipe import _override
from alexnet.recipe.topology import Topology, topology
from alexnet.runs import control
from alexnet.runs import directory as runs
from alexnet.runs.checkpoint import Shelf
from alexnet.train.trainer import Trainer


@dataclass(frozen=True)
class Request:
    """The options of `alexctl train` as they were given; None where one was not."""

    data: Path | None
    recipe: str | None
    gpus: str | None
    device: str | None
    procs: int | None
    threads: int | None
    precision: Precision
    out: Path | None
    resume: bool
    epochs: int | None
    steps: int | None
    init: tuple[str, ...]
    seed: int | None
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What is trained: settled before any process starts, the same in each."""

    run: Path
    resumed: runs.Trained | None
    recipe: Recipe
    data: Path
    seed: int


def train(request: Request) -> bool:
    """Train as asked, in as many processes as asked; false where a signal stopped it with a whole checkpoint."""
    if request.gpus is not None:
        asked(request.gpus)  # before the data and the recipe are looked at
    plan = settle(request)
    hardware = choose(
        request.gpus, request.device, request.procs, request.threads, request.precision, plan.recipe.net.columns
    )
    if hardware.processes == 1 or world.started() > 1:
        return _train_here(request, plan, hardware)
    code = launch.run(hardware.processes, _arguments(request, plan.run, hardware))
    if code in (0, STOPPED):
        return code == 0
    raise SystemExit(code)


def settle(request: Request) -> Plan:
    """The run, its recipe, data and seed: a new run's from the options, a resumed one's from its checkpoint.

    Raises Failure where they do not fit together.
    """
    run = request.out or (runs.resolve(None) if request.resume else runs.new_run(request.recipe or "alexnet"))
    shelf = Shelf(run)
    if shelf.named("latest") and request.resume:
        return _resumed(request, run)
    if shelf.all() and not request.resume:
        raise Failure(f"{run}: already holds a run; add --resume to go on with it, or choose another --out")
    recipe = load(request.recipe or "alexnet", request.changes)
    data = request.data or Path("data")
    if request.data is None and not data.exists():
        raise Failure(
            "data: no prepared data here; make it with `alexctl prep IMAGES --out data`, or `alexctl train DATA`"
        )
    return _checked(Plan(run, None, _extended(recipe, request), data, request.seed or 0))


def _resumed(request: Request, run: Path) -> Plan:
    resumed = runs.open_run(run, momenta=True, which=("latest",))
    recipe, state = resumed.recipe, resumed.checkpoint.state
    if request.recipe or request.changes:
        asked = load(request.recipe or "alexnet", request.changes)
        if _extended(asked, request) != _extended(recipe, request):
            raise Failure(f"{run}: began with another recipe, see its recipe.toml; leave out --recipe and --set")
    if request.seed not in (None, state["seed"]):
        raise Failure(f"{run}: began with --seed {state['seed']}; leave out --seed")
    plan = Plan(run, resumed, _extended(recipe, request), request.data or resumed.data, state["seed"])
    return _checked(plan)


def _extended(recipe: Recipe, request: Request) -> Recipe:
    if request.epochs is None:
        return recipe
    return replace(recipe, train=replace(recipe.train, epochs=request.epochs))


def _checked(plan: Plan) -> Plan:
    """Fail here, once, on what every process would fail on."""
    data = Dataset(plan.data)
    topology(plan.recipe.net, len(data.classes))
    if plan.recipe.net.crop > data.size:
        raise Failure(
            f"{plan.data}: images of {data.size} are smaller than the recipe's net.crop of {plan.recipe.net.crop}; "
            f"prepare them with --size {plan.recipe.net.crop} or more"
        )
    if plan.resumed:
        began_with = (plan.resumed.classes, plan.resumed.checkpoint.state["images"])
        if began_with != ([each.name for each in data.classes], data.counts["train"]):
            raise Failure(f"{plan.data}: not the classes and images that {plan.run} began with; name the same data")
    return plan


def _arguments(request: Request, run: Path, hardware: Hardware) -> list[str]:
    """The command line again, with what was left to default settled."""
    options = {
        "--recipe": request.recipe,
        "--out": run,
        "--epochs": request.epochs,
        "--steps": request.steps,
        "--seed": request.seed,
    }
    arguments = ["train"] + ([str(request.data)] if request.data else []) + hardware.arguments()
    for name, value in options.items():
        arguments += [name, str(value)] if value is not None else []
    for name, values in (("--init", request.init), ("--set", request.changes)):
        for each in values:
            arguments += [name, each]
    return arguments + (["--resume"] if request.resume else [])


def _train_here(request: Request, plan: Plan, hardware: Hardware) -> bool:
    engine, link = assemble(hardware, plan.recipe.net.columns, fast=plan.recipe.engine.fast)
    plan = replace(plan, run=link.share(plan.run))
    processes = link.place.replicas * link.place.shares
    shelf = Shelf(plan.run)
    if link.rank == 0:
        shelf.folder.mkdir(parents=True, exist_ok=True)
        shelf.sweep()
        write_whole(plan.run / "recipe.toml", plan.recipe.to_toml())
        say(f"run {plan.run}: {processes} processes of {hardware.threads} threads on {hardware.name}, seed {plan.seed}")
    facts = runs.facts(hardware.name, processes, hardware.threads, plan.seed)
    facts |= {"data": str(plan.data), "convolution": plan.recipe.engine.convolution}
    trainer = Trainer(plan.run, Dataset(plan.data), plan.recipe, plan.seed, engine, link, facts)
    if plan.resumed:
        trainer.restore(plan.resumed.checkpoint)
    else:
        trainer.begin([_initial(each, trainer.net.topology) for each in request.init])
    finished = trainer.run(request.steps)
    link.close()
    if link.rank == 0:
        latest = shelf.named("latest")
        say(f"{'trained' if finished else 'stopped; run again with --resume'}: {latest}")
    return finished


def _initial(argument: str, shapes: Topology) -> Weights:
    """Weights from FILE[:LAYERS]: those of the layers that match; without LAYERS all of the net's."""
    file, _, layers = argument.partition(":")
    return fitting(load_safetensors(Path(file)), shapes, layers.split(",") if layers else None)


def change(run: Path, settings: list[str]) -> None:
    """`alexctl control`: send changes to the run that trains."""
    trained = run / "recipe.toml"
    if not trained.is_file():
        raise Failure(f"{run}: no such run; give the directory that `alexctl train` named")
    control.send(run, load(trained), dict(map(_override, settings)))
    say(f"{run}: asked for {', '.join(settings)}; see its log.jsonl")
