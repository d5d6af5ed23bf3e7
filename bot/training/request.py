"""What is asked of a training: its numbers, with the task's own defaults, and by content all that it is made from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bot.learning.sources import contents, path_of
from bot.tasks import load_task
from indexer.errors import UserError

USUAL = {"epochs": 3.0, "batch": 16, "rate": 5e-5, "max_length": 128}
FROZEN = {"epochs": 100.0, "batch": 64, "rate": 2e-3}  # a head alone is quick, and starts from nothing
# Options of tasks that name what a run is made from, besides --train, --dev and --encoder.
FILES, MODELS = ("corpus", "qrels"), ("teacher", "search", "model")


@dataclass(frozen=True, slots=True)
class Request:
    """What to train and how; 0 stands for the task's own default of the first four numbers."""

    task: str
    train: Path
    out: Path
    dev: Path | None = None
    encoder: str = "minilm"
    epochs: float = 0
    batch: int = 0
    rate: float = 0
    max_length: int = 0
    limit: int = 0  # training examples, drawn by the seed; 0: all
    seed: int = 1
    patience: int = 5  # evaluations without a better score, after which it stops; 0: never
    balanced: bool = False
    frozen: bool = False
    bf16: bool | None = None  # None: on a GPU that can
    options: Any = None  # an `Options` of the task; None: its defaults


def defaults(task: Any, frozen: bool = False) -> dict[str, Any]:
    """Give the numbers that a task learns with where nobody names others."""
    return {**USUAL, **getattr(task, "DEFAULTS", {}), **(FROZEN if frozen else {})}


def freezes(task: Any) -> bool:
    """Tell whether a task can train its head alone."""
    return getattr(task, "FREEZES", True)


def balances(task: Any) -> bool:
    """Tell whether a task's labels can be weighed: it has some, such as a confusion matrix is drawn of."""
    return hasattr(task, "truth")


def settled(request: Request) -> tuple[Request, Any]:
    """Fill in the task's defaults, and refuse numbers that cannot be."""
    task = load_task(request.task)
    if request.frozen and not freezes(task):
        raise UserError(f"--frozen: {request.task} trains the encoder itself. Leave it out.")
    if request.balanced and not balances(task):
        raise UserError(f"--balanced weighs labels, and {request.task} has none. Leave it out.")
    chosen = {name: getattr(request, name) or value for name, value in defaults(task, request.frozen).items()}
    options = request.options if request.options is not None else task.Options()
    request = replace(request, **chosen, options=options)
    for name in ("epochs", "batch", "rate", "limit", "seed", "patience"):
        if getattr(request, name) < 0:
            raise UserError(f"--{name} {getattr(request, name)}: give a number from 0 on.")
    if request.max_length < 8:
        raise UserError(f"--max-length {request.max_length}: give at least 8 tokens.")
    return request, task


def facts_of(request: Request) -> dict[str, Any]:
    """Give what the same run again shares with this one: arguments, and the hashes of all that it reads.

    Raises:
        UserError: the run would write where it reads a model.
    """
    arguments = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(request).items()
        if name not in ("task", "out")
    }
    options = asdict(request.options)
    files = [str(path) for path in (request.train, request.dev) if path is not None]
    files += [options[name] for name in FILES if options.get(name)]
    models = {"encoder": request.encoder, **{name: options[name] for name in MODELS if options.get(name)}}
    _check_apart(request.out, models)
    return {"task": request.task, "arguments": arguments, "data": contents(files), "models": contents(models.values())}


def _check_apart(out: Path, models: Mapping[str, str]) -> None:
    """Refuse to write into the folder of a model that is read, or around it: it would be changed or replaced."""
    out = out.expanduser().resolve()
    for name, spec in models.items():
        path = path_of(spec)
        folder = path.resolve() if path is not None and path.is_dir() else None
        if folder and (out == folder or out in folder.parents or folder in out.parents):
            raise UserError(f"--out {out} and --{name} {spec}: one folder, or one in the other. Name another --out.")
