"""similarity: an encoder whose nearest stored question is the right one more often, for one's own sheet.

A bi-encoder (Reimers and Gurevych 2019, arXiv:1908.10084). From a sheet it learns which wordings belong together, with
negatives in the batch and mined from the sheet; from scored pairs their order (CoSENT, Su 2022,
kexue.fm/archives/8847); with `--teacher` the vectors of another encoder, also across languages (Reimers and Gurevych
2020, arXiv:2004.09813). The folder is an encoder like any other: `indexer build --encoder bert:DIR`. A model that
scores lower on dev than the encoder it began as is not saved: the folder then holds that encoder, and run.json says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.learning.task import Data, Setup, needs, pace
from bot.tasks._judging import of_pairs, recall, vectors_of
from bot.tasks._lessons import lesson
from bot.tasks._wordings import Asked, Example, Pair, Wording, read_any
from indexer.errors import UserError

if TYPE_CHECKING:
    from bot.learning.learner import BertEncoder

SCORE, KIND = "score", "AutoModel"
FREEZES = False
NEVER_WORSE = True  # an encoder that finds less is not an encoder for this sheet
DEFAULTS = {"epochs": 2.0, "batch": 32, "rate": 2e-5, "max_length": 64}


@dataclass(frozen=True, slots=True)
class Options:
    """What `bot train similarity` takes besides."""

    negatives: int = field(default=1, metadata={"help": "Nearest wordings of other entries that each is told from."})
    temperature: float = field(default=0.05, metadata={"help": "What cosines are divided by in the loss."})
    freeze_layers: int = field(default=0, metadata={"help": "First layers that stay as they are, embeddings too."})
    teacher: str = field(default="", metadata={"help": "Spec of an encoder whose vectors are learned."})
    corpus: str = field(default="", metadata={"help": "Sheet that dev is searched in.  [default: the --train sheet]"})
    qrels: str = field(default="", metadata={"help": "Judgements of --dev, where those are queries in a CSV."})
    first: str = field(default="", metadata={"help": "Column of a pair's first text.  [default: the usual names]"})
    second: str = field(default="", metadata={"help": "Column of a pair's second text.  [default: the usual names]"})


def read(path: Path, options: Options) -> list[Example]:
    """Read a sheet, a TSV of pairs, or (for dev) judged queries."""
    if options.temperature <= 0 or options.negatives < 0:
        raise UserError("--temperature is above 0, --negatives at least 0.")
    return read_any(path, options.qrels, options.first, options.second)


def labels(examples: Sequence[Example], options: Options) -> tuple[str, ...]:
    """Name no outputs; refuse to learn from what only judges, or from a sheet without a second wording."""
    if isinstance(examples[0], Asked):
        raise UserError(f"{examples[0].where}: judged queries are for --dev. Train on a sheet, or on a TSV of pairs.")
    if isinstance(examples[0], Wording) and not options.teacher:
        entries = [example.entry for example in examples if isinstance(example, Wording)]
        if not 1 < len(set(entries)) < len(entries):
            path = examples[0].where.rpartition(",")[0]
            raise UserError(
                f"{path}: {len(entries)} wordings of {len(set(entries))} entries. Learning takes two entries or more, "
                "and some with two wordings (rows that share `entry` or the answer)."
            )
    return ()


def model(encoder: "BertEncoder", setup: Setup) -> Any:
    """Make a sentence-transformers model on the encoder's own module."""
    needs("datasets")
    from bot.tasks._bi_encoder import bi_encoder

    return bi_encoder(encoder, setup.max_length, setup.options.freeze_layers)


def encode(examples: Sequence[Example], setup: Setup) -> list[dict[str, Any]]:
    """Give nothing but places: sentence-transformers reads the texts themselves."""
    return [{"at": at} for at in range(len(examples))]


def collate(setup: Setup) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Give what is never called: sentence-transformers has its own."""
    return lambda features: {}


def trainer(
    model: Any, arguments: Mapping[str, Any], data: tuple[Data, Data], *, setup: Setup, callbacks: Any, **_: Any
) -> Any:
    """Make a SentenceTransformerTrainer with the loss that the data allow."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainingArguments

    from bot.tasks._bi_encoder import Dev, EntryTrainer

    train, dev = data
    columns, loss = lesson(model, train.examples, setup.options, arguments["seed"])
    sampler = "no_duplicates" if "positive" in columns else "batch_sampler"
    count = len(next(iter(columns.values())))  # of wordings, those with another of their entry
    if not count:
        where = train.examples[0].where.rpartition(",")[0]
        raise UserError(f"{where}: no two of the wordings to learn from are of one entry. Raise --limit, or add some.")
    epochs, batch = arguments["num_train_epochs"], arguments["per_device_train_batch_size"]
    # Dev is searched in the whole sheet, which takes long: twice an epoch is enough.
    arguments = {**arguments, **pace(epochs, batch, count, apart=count // batch // 2)}
    made: Any = EntryTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(**arguments, batch_sampler=sampler),
        train_dataset=Dataset.from_dict(columns),
        loss=loss,
        evaluator=Dev(lambda: judge(model, dev, setup, made)),
        callbacks=callbacks,
    )
    made.sheet = train.whole
    return made


def judge(model: Any, data: Data, setup: Setup, trainer: Any) -> dict[str, float]:
    """Score on dev: recall@1 where it holds wordings or queries, or texts of two languages; Spearman's for scores.

    `score` is that figure again, by which the model is chosen.
    """
    first = data.examples[0]
    if isinstance(first, Pair):
        name, found = of_pairs(model, data.examples)
    else:
        name, found = "recall@1", recall(model, data.examples, setup.options.corpus, trainer.sheet)
    return {"score": found, name: found}


def metrics(predictions: Any, data: Data, setup: Setup) -> dict[str, float]:
    """Give nothing: `judge` scores."""
    return {}


def save(model: Any, setup: Setup, folder: Path) -> None:
    """Write a folder that sentence-transformers and AutoModel open, its pooling recorded."""
    model.save_pretrained(str(folder), create_model_card=False)


def load(folder: Path, setup: Setup) -> Any:
    """Open a trained folder."""
    from bot.tasks._bi_encoder import opened

    return opened(folder)


def predict(model: Any, setup: Setup, texts: Sequence[str], contexts: Sequence[str]) -> list[dict[str, Any]]:
    """Give the cosine of each text with each context."""
    if not contexts:
        raise UserError("similarity compares texts. Type: --context TEXT, as often as there are texts to compare with.")
    cosines = vectors_of(model, texts) @ vectors_of(model, contexts).T
    return [
        {"text": text, "context": context, "cosine": float(cosine)}
        for text, line in zip(texts, cosines, strict=True)
        for context, cosine in zip(contexts, line, strict=True)
    ]
