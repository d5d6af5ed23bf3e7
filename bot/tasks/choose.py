"""choose: which of a few stored questions answers a message, all of them scored and weighed against each other.

Multiple choice as BERT does it for SWAG (Devlin et al. 2019, arXiv:1810.04805): one number for each candidate read
together with the message, a softmax over the candidates. That is the listwise loss of ListNet (Cao et al. 2007,
doi:10.1145/1273496.1273513) with one right document, so the trained folder reranks: `--reranker choose:DIR`.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.learning.parts import tenth
from bot.learning.task import Data, Setup
from indexer.corpus import read_corpus
from indexer.encoders import load_encoder
from indexer.errors import UserError

if TYPE_CHECKING:
    from bot.learning.learner import BertEncoder
    from indexer.row import Row

SCORE, KIND = "accuracy", "AutoModelForMultipleChoice"
FREEZES = False
READS = ("question", "answer", "both")


@dataclass(frozen=True, slots=True)
class Options:
    """What `bot train choose` takes besides."""

    candidates: int = field(default=4, metadata={"help": "Candidates to choose from, the right one among them."})
    reads: str = field(default="question", metadata={"help": "Read of a candidate: question, answer or both."})
    search: str = field(default="tfidf", metadata={"help": "Encoder whose nearest other entries are the wrong ones."})


@dataclass(frozen=True, slots=True)
class Example:
    """A wording of an entry asked as a question, candidates in the order of the search, and the right one's place."""

    where: str
    entry: str
    question: str
    candidates: tuple[str, ...]
    right: int


def read(path: Path, options: Options) -> list[Example]:
    """Read a sheet: each wording with siblings is a question; its nearest sibling and other entries, the candidates."""
    from bot.tasks._mining import hard_negatives, nearest_siblings

    if options.reads not in READS:
        raise UserError(f"--reads {options.reads}: choose one of {', '.join(READS)}.")
    if options.candidates < 2:
        raise UserError(f"--candidates {options.candidates}: there is nothing to choose from fewer than 2.")
    corpus = read_corpus(path)
    rows, entries = corpus.rows, [row.entry for row in corpus.rows]
    questions = [row.question for row in rows]
    vectors = load_encoder(options.search, questions).encode(questions)
    siblings = nearest_siblings(vectors, entries)
    wrong = hard_negatives(vectors, entries, options.candidates - 1)
    found = []
    for at, sibling in enumerate(siblings):
        if sibling >= 0 and len(wrong[at]) == options.candidates - 1:
            # As the search would order them, so that the first one is what there is without the model.
            order = sorted([int(sibling), *wrong[at]], key=lambda other: (-float(vectors[at] @ vectors[other]), other))
            texts = tuple(candidate_text(rows[other], options.reads) for other in order)
            where, right = f"{path}, row {corpus.numbers[at]}", order.index(int(sibling))
            found.append(Example(where, entries[at], questions[at], texts, right))
    if not found:
        raise UserError(
            f"{path}: no question can be asked. Choosing takes entries of two wordings or more (rows that share "
            f"`entry` or the answer), and {options.candidates} entries; this sheet has {corpus.entries}."
        )
    return found


def candidate_text(row: "Row", reads: str) -> str:
    """Give what is read of a stored row."""
    return {"question": row.question, "answer": row.answer, "both": f"{row.question} {row.answer}"}[reads]


def apart(examples: Sequence[Example], draw: random.Random) -> list[int]:
    """Hold out a tenth of the entries: the siblings of a wording that is learned from would give the answer away."""
    return tenth([example.entry for example in examples], draw)


def labels(examples: Sequence[Example], options: Options) -> tuple[str, ...]:
    """Name no outputs: they are places among the candidates."""
    return ()


def model(encoder: "BertEncoder", setup: Setup) -> Any:
    """Put one number on the encoder's own module; what is read of a row is kept for the reranker."""
    from bot.learning.learner import head_on

    return head_on(encoder, KIND, choose_reads=setup.options.reads)


def encode(examples: Sequence[Example], setup: Setup) -> list[dict[str, Any]]:
    """Give the ids of each question with each of its candidates, and the right one's place."""
    return [{**_together(example.question, example.candidates, setup), "labels": example.right} for example in examples]


def collate(setup: Setup) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Pad all candidates of a batch to (B, k, T)."""
    import torch

    def together(features: list[dict[str, Any]]) -> dict[str, Any]:
        names = [name for name in features[0] if name != "labels"]
        flat = {name: [ids for line in features for ids in line[name]] for name in names}
        padded = setup.tokenizer.pad(flat, return_tensors="pt")
        batch = {name: padded[name].view(len(features), -1, padded[name].shape[-1]) for name in names}
        return {**batch, "labels": torch.tensor([line["labels"] for line in features])}

    return together


def metrics(predictions: Any, data: Data, setup: Setup) -> dict[str, float]:
    """Give the share of questions whose right candidate comes first, by the model and by the search alone."""
    right = np.array([features["labels"] for features in data.features])
    chosen = np.asarray(predictions).argmax(axis=-1)
    return {"accuracy": float(np.mean(chosen == right)), "first_candidate": float(np.mean(right == 0))}


def predict(model: Any, setup: Setup, texts: Sequence[str], contexts: Sequence[str]) -> list[dict[str, Any]]:
    """Weigh the contexts, which are the candidates, for each text."""
    import torch

    from bot.learning.batches import likeliest

    if len(contexts) < 2:
        raise UserError("choose needs two candidates or more. Type: --context ONE --context OTHER")
    if twice := next((one for at, one in enumerate(contexts) if one in contexts[:at]), None):
        raise UserError(f"--context {twice[:60]!r} is given twice. Type each candidate once.")
    batch = collate(setup)([{**_together(text, contexts, setup), "labels": 0} for text in texts])
    with torch.no_grad():
        lines = model(**{name: value for name, value in batch.items() if name != "labels"}).logits.float().numpy()
    return [{"text": text, **likeliest(contexts, line)} for text, line in zip(texts, lines, strict=True)]


def _together(question: str, candidates: Sequence[str], setup: Setup) -> dict[str, list[list[int]]]:
    ids = setup.tokenizer([question] * len(candidates), list(candidates), truncation=True, max_length=setup.max_length)
    return {name: list(ids[name]) for name in ids}
