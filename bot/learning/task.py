"""What a task is, and what several tasks need."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from indexer.errors import UserError

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder

IGNORED = -100  # the label of what is not learned from, as torch's losses know it
EVALUATIONS = 10  # on dev, in a run


@dataclass(frozen=True, slots=True)
class Setup:
    """What a task needs besides its data."""

    tokenizer: Any
    labels: tuple[str, ...]  # in the order of the model's outputs; none where it gives a number or a place
    options: Any  # an `Options` of the task
    max_length: int  # tokens that are read of a text, [CLS] and [SEP] included


@dataclass(frozen=True, slots=True)
class Data:
    """A file's examples, and the features that were made of them: several of one example, where it is long."""

    examples: Sequence[Any]
    features: Sequence[dict[str, Any]]
    whole: Sequence[Any] = ()  # all examples of the --train file, of which `examples` may be a part


class Task(Protocol):
    """A module under `bot/tasks/`.

    `Options` is a frozen dataclass whose fields, each with a default and `metadata={"help": ...}`, become options of
    `bot train TASK`. It is kept in run.json, so its values are strings, numbers, flags or None.

    A module may also offer, where the usual does not fit:
        trainer(model, arguments, data, **more) -> Trainer: makes the Trainer. `arguments` (dict) are those of
            TrainingArguments, data is (train, dev), `more` are those of Trainer: `data_collator`, `callbacks`,
            `compute_metrics`, `compute_loss_func`, `processing_class`, and `setup`, which a Trainer is not to see.
        judge(model, data, setup, trainer) -> dict: the scores on dev, instead of `metrics` on trainer.predict.
        save(model, setup, folder): writes the model and the tokenizer.
        load(folder, setup) -> model: opens them for `predict`; else `KIND`, the name of an Auto class, does.
        truth(predictions, data, setup) -> (true, predicted), places in labels (n,) each: a confusion matrix is drawn,
            and --balanced is taken.
        scored_by(setup) -> str: the metric to choose by, where it depends on the labels; else `SCORE`.
        apart(examples, draw) -> list: which examples are held out where there is no --dev; else a tenth, drawn.
        DEFAULTS: a dict with other defaults of `epochs`, `batch`, `rate` or `max_length`.
        FREEZES = False: --frozen is refused.
        NEVER_WORSE = True: where the trained model scores below the untrained one, the untrained one is saved.
    """

    SCORE: str  # the metric by which a model is chosen; higher is better
    KIND: str  # the Auto class that opens the trained folder elsewhere
    Options: type

    @staticmethod
    def read(path: Path, options: Any) -> list[Any]:
        """Read a file's examples; UserError names file and row. An example has `where`, for later errors."""
        ...

    @staticmethod
    def labels(examples: Sequence[Any], options: Any) -> tuple[str, ...]:
        """Name the outputs, from the training examples; UserError where there is nothing to tell apart."""
        ...

    @staticmethod
    def model(encoder: "BertEncoder", setup: Setup) -> Any:
        """Put a fresh head on the encoder's own module: the weights are shared, not copied."""
        ...

    @staticmethod
    def encode(examples: Sequence[Any], setup: Setup) -> list[dict[str, Any]]:
        """Make features of examples: plain lists of ids, and `labels` (or what else the model is trained with)."""
        ...

    @staticmethod
    def collate(setup: Setup) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Give what makes a batch of features."""
        ...

    @staticmethod
    def metrics(predictions: Any, data: Data, setup: Setup) -> dict[str, float]:
        """Score the model's outputs for `data.features`, NumPy arrays as Trainer.predict gives them."""
        ...

    @staticmethod
    def predict(model: Any, setup: Setup, texts: Sequence[str], contexts: Sequence[str]) -> list[dict[str, Any]]:
        """Say what the model makes of each text: with names of labels, and probabilities that sum to 1.

        A task of single texts refuses contexts (`refuse_contexts`), one of pairs reads each text with each context.
        """
        ...


def pace(epochs: float, batch: int, count: int, apart: int = 1) -> dict[str, int]:
    """Give what of TrainingArguments follows from the steps of a run that learns from `count` features.

    Dev is judged ten times, `apart` steps or more between, and once at least.
    """
    steps = max(1, int(epochs * -(-count // batch)))
    often = max(1, steps // EVALUATIONS)
    every = min(steps, max(often, apart))
    return {"warmup_steps": steps // 16, "logging_steps": often, "eval_steps": every, "save_steps": every}


def scored_by(task: Any, setup: Setup) -> str:
    """Name the metric that a task's model is chosen by."""
    name: str = task.scored_by(setup) if hasattr(task, "scored_by") else task.SCORE
    return name


def needs(*packages: str) -> None:
    """Refuse to go on without packages of the extra `train`."""
    for package in packages:
        if find_spec(package) is None:
            raise UserError(f"training needs {package}, which is not installed. Type: pip install 'mundap[train]'")


def place(label: str, setup: Setup, where: str) -> int:
    """Give a label's place among the outputs; one that the training data lacks is an error."""
    if label not in setup.labels:
        shown = ", ".join(setup.labels[:8]) + (", ..." if len(setup.labels) > 8 else "")
        raise UserError(
            f"{where}: the label {label!r} does not occur in the training data ({shown}). "
            "Train with an example of it, or take the row out."
        )
    return setup.labels.index(label)


def classes(labels: Sequence[str], where: str) -> tuple[str, ...]:
    """Order labels, numbers by value; a single one is an error."""
    found = set(labels)
    if len(found) < 2:
        only = f"only {min(found)!r}" if found else "no label"
        raise UserError(f"{where}: {only} occurs, from here on. Add rows of another label, to be told from it.")
    numbers = all(label.lstrip("-").isdecimal() for label in found)
    return tuple(sorted(found, key=int) if numbers else sorted(found))


def refuse_contexts(contexts: Sequence[str]) -> None:
    """Refuse second texts, for a task that reads one alone."""
    if contexts:
        raise UserError("this model reads one text at a time: leave --context out.")
