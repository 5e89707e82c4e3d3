"""A training from its first decision to its last checkpoint: what is trained is settled, then the net trains."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alexnet.data.shards import Dataset
from alexnet.engines import native
from alexnet.errors import Failure
from alexnet.files import locked, write_whole
from alexnet.links import Link
from alexnet.machine.hardware import Hardware, Wanted, assemble, choose
from alexnet.net.weights import Weights, fitting, load_safetensors
from alexnet.recipe import Recipe, changes, load
from alexnet.recipe.topology import Topology, topology
from alexnet.runs import directory, inputs, log
from alexnet.runs.checkpoint import Resumable, Shelf, read
from alexnet.runs.log import Log
from alexnet.train.trainer import Listener, Trainer


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a training was asked to be; None where nothing was said.

    `changes` are "key=value" settings of the recipe; `init` names weights as FILE[:LAYERS]. Raises Failure where the
    options exclude each other.
    """

    data: Path | None = None
    recipe: Recipe | Path | str | None = None
    changes: tuple[str, ...] = ()
    out: Path | None = None
    resume: bool = False
    epochs: int | None = None
    steps: int | None = None
    init: tuple[str, ...] = ()
    seed: int | None = None
    wanted: Wanted = field(default_factory=Wanted)

    def __post_init__(self) -> None:
        if self.epochs is not None and self.steps is not None:
            raise Failure("--epochs and --steps cannot be combined; leave out one")


@dataclass(frozen=True)
class Plan:
    """What is trained: settled before any process starts, the same in each.

    `run` is None where a new folder in ./runs is still to be made.
    """

    run: Path | None
    resumed: Resumable | None
    recipe: Recipe
    data: Dataset
    seed: int
    name: str  # of the recipe that it began with


@dataclass(frozen=True)
class Result:
    """How a training ended: not `finished` where a signal stopped it, with a whole checkpoint either way."""

    run: Path
    finished: bool
    step: int
    checkpoint: Path | None
    best_error: float  # top-1 on the validation images by the centre crop; inf where there was no validation


def train(options: Options, listeners: Sequence[Listener] = ()) -> Result:
    """Train in this process, or as one of the processes that a launcher started.

    Each listener gets every row of the log, in the first process. Raises Failure.
    """
    plan = settle(options)
    return train_here(options, plan, hardware_for(options, plan), listeners)


def hardware_for(options: Options, plan: Plan) -> Hardware:
    """Where the plan's net trains. Raises Failure where that is not there."""
    return choose(options.wanted, plan.recipe.net.columns, plan.recipe.engine.precision)


def settle(options: Options) -> Plan:
    """The run, its recipe, data and seed: a new run's from the options, a resumed one's from its checkpoint.

    Raises Failure where they do not fit together.
    """
    run = options.out or (directory.resolve(None) if options.resume else None)
    shelf = Shelf(run) if run else None
    resumed = shelf.newest_whole() if shelf and options.resume else None
    if run and resumed:
        return _resumed(options, run, resumed)
    if shelf and shelf.all():
        raise Failure(f"{run}: already holds a run; add --resume to go on with it, or choose another --out")
    recipe = _asked(options)
    if options.data is None and not Path("data").exists():
        raise Failure(
            "data: no prepared data here; make it with `alexctl prep IMAGES --out data`, or `alexctl train DATA`"
        )
    data = Dataset(options.data or Path("data"))
    return _checked(Plan(run, None, _extended(recipe, options), data, options.seed or 0, _name(options)))


def _resumed(options: Options, run: Path, found: Resumable) -> Plan:
    state = found.state
    recipe = directory.recipe_of(state, found.path)
    if options.recipe or options.changes:
        asked = _asked(options if options.recipe else replace(options, recipe=recipe))
        if _extended(asked, options) != _extended(recipe, options):
            raise Failure(f"{run}: began with another recipe, see its recipe.toml; leave out --recipe and --set")
    if options.seed not in (None, state["seed"]):
        raise Failure(f"{run}: began with --seed {state['seed']}; leave out --seed")
    data = directory.dataset(state, options.data, f"name it: alexctl train DATA --out {run} --resume")
    if not _began_with(data, state):
        raise Failure(f"{data.path}: is not the dataset that {run} began with; name that one, or begin a new run")
    return _checked(Plan(run, found, _extended(recipe, options), data, state["seed"], state.get("name", "")))


def _began_with(data: Dataset, state: dict[str, Any]) -> bool:
    if "dataset" in state:
        return bool(state["dataset"] == data.identity)
    own = [each.name for each in data.classes], data.counts["train"]  # all that earlier versions kept
    return own == (state["classes"], state["images"])


def _asked(options: Options) -> Recipe:
    if isinstance(options.recipe, Recipe):
        return options.recipe.with_changes(changes(options.changes))
    return load(options.recipe or "alexnet", options.changes)


def _name(options: Options) -> str:
    return "run" if isinstance(options.recipe, Recipe) else Path(options.recipe or "alexnet").stem


def _extended(recipe: Recipe, options: Options) -> Recipe:
    if options.epochs is None:
        return recipe
    return replace(recipe, train=replace(recipe.train, epochs=options.epochs))


def _checked(plan: Plan) -> Plan:
    """Fail here, once, on what every process would fail on."""
    recipe, data = plan.recipe, plan.data
    topology(recipe.net, len(data.classes))
    if recipe.net.crop > data.size:
        raise Failure(
            f"{data.path}: images of {data.size} are smaller than the recipe's net.crop of {recipe.net.crop}; "
            f"prepare them with --size {recipe.net.crop} or more"
        )
    if recipe.train.schedule == "plateau" and recipe.train.drop_epochs:
        raise Failure(
            "train.drop_epochs: a plateau finds its drops by itself; "
            "use --set train.schedule=epochs, or --set train.drop_epochs=[]"
        )
    if recipe.train.schedule == "plateau" and not data.counts["val"]:
        raise Failure(
            f'{data.path}: has no val images, which train.schedule = "plateau" needs; '
            "prepare it with --val-share, or use --set train.schedule=epochs --set train.drop_epochs=[...]"
        )
    return plan


def train_here(options: Options, plan: Plan, hardware: Hardware, listeners: Sequence[Listener] = ()) -> Result:
    """Train as planned, as one of the processes that `hardware` counts. Raises Failure."""
    recipe = plan.recipe
    engine, link = assemble(hardware, recipe.net.columns, fast=recipe.engine.fast)
    with closing(link), _held(plan, link) as run:
        trainer = Trainer(run, plan.data, recipe, plan.seed, engine, link, plan.name)
        note = _begin(trainer, options, plan)
        last = trainer.last_step(options.steps)
        if link.rank:
            finished = trainer.run(last)
        else:
            start = _start(trainer, plan, hardware) | {"last_step": last, "batch": recipe.train.batch}
            notes = [each for each in (hardware.note, note) if each]
            finished = _first(trainer, last, start | ({"notes": notes} if notes else {}), listeners)
        return Result(run, finished, trainer.at.step, trainer.shelf.named("latest"), trainer.at.schedule.best_error)


@contextmanager
def _held(plan: Plan, link: Link) -> Iterator[Path]:
    """The run's folder, made where it is new; the first process holds it as long as any trains."""
    if link.rank:
        yield link.share(None)
        return
    run = plan.run or directory.new_run(plan.name)
    run.mkdir(parents=True, exist_ok=True)
    with locked(run / directory.LOCK, f"{run}: another process trains it; wait until it ends, or choose another --out"):
        yield link.share(run)


def _begin(trainer: Trainer, options: Options, plan: Plan) -> str:
    """Weights to begin with: first ones, or those of the checkpoint that the first process finds; a note on it."""
    link = trainer.link
    found: Resumable | None = None
    if link.rank == 0:  # looked for again, now that nobody else writes here
        found = trainer.shelf.newest_whole()
        if found and not plan.resumed:
            raise Failure(f"{trainer.run_path}: holds a run by now; add --resume to go on with it")
    found = link.share(found)
    if found is None:
        trainer.begin([_initial(each, trainer.net.topology) for each in options.init])
        return ""
    trainer.restore(read(found.path))
    return found.note


def _start(trainer: Trainer, plan: Plan, hardware: Hardware) -> log.Row:
    """The row with which a training begins in the log."""
    place, engine = trainer.link.place, plan.recipe.engine
    facts = directory.facts(hardware.name, place.replicas * place.shares, hardware.threads, plan.seed)
    about = {"run": str(trainer.run_path), "data": str(plan.data.path), "dataset": plan.data.identity}
    about["recipe"] = plan.name
    computed: dict[str, str] = {"convolution": engine.convolution, "precision": engine.precision}
    if not hardware.gpus:
        computed["isa"] = native.isa(engine.precision)
    return {"event": "start", "step": trainer.at.step, **facts, **about, **computed}


def _first(trainer: Trainer, last: int, start: log.Row, listeners: Sequence[Listener]) -> bool:
    """What the first process does beside training: it writes the run's files and tells the listeners."""
    run = trainer.run_path
    trainer.shelf.folder.mkdir(exist_ok=True)
    trainer.shelf.sweep()
    write_whole(run / "recipe.toml", trainer.recipe.to_toml())
    if not (run / inputs.NAME).exists():
        inputs.write(run, inputs.Inputs.of(trainer.data))
    with Log(run / log.NAME, trainer.at.step) as kept:
        told = [kept.write, *listeners]
        for listener in told:
            listener(start)
        finished = trainer.run(last, told)
        end = {"event": "end", "step": trainer.at.step, "finished": finished}
        for listener in told:
            listener(end | {"checkpoint": str(trainer.shelf.named("latest"))})
        return finished


def _initial(argument: str, shapes: Topology) -> Weights:
    """Weights from FILE[:LAYERS], a safetensors file or a run: of the layers that match, else all of the net's."""
    if Path(argument).exists():  # its name may have a colon
        return fitting(_weights_in(Path(argument)), shapes)
    file, colon, layers = argument.rpartition(":")
    if not colon:
        file, layers = argument, ""
    return fitting(_weights_in(Path(file)), shapes, layers.split(",") if layers else None)


def _weights_in(path: Path) -> Weights:
    return directory.load_trained(path).checkpoint.weights if path.is_dir() else load_safetensors(path)
