"""Entailment: a pair model of natural language inference (Bowman et al. 2015, arXiv:1508.05326), opened to be asked.

Its labels are entailment, neutral and contradiction, their Korean names, or 0, 1, 2 in that order, as GLUE's MNLI and
KLUE-NLI number them.
"""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.learning import runs
from indexer.errors import UserError

BEGINNINGS = {"entailment": ("entail", "함의"), "contradiction": ("contradict", "모순")}
NUMBERED = {"entailment": "0", "contradiction": "2"}
TRAIN = "Type: bot train pair --train NLI.tsv --out"
LOG = logging.getLogger(__name__)


def place_of(labels: Sequence[str], what: str) -> int | None:
    """Find the label that means `entailment` or `contradiction`; None where there is none."""
    if sorted(labels) == ["0", "1", "2"]:
        return labels.index(NUMBERED[what])
    return next((at for at, label in enumerate(labels) if label.lower().startswith(BEGINNINGS[what])), None)


class Entailment:
    """Judges pairs of texts, a premise and what may follow from it. Safe to share between threads."""

    def __init__(self, model: Any, tokenizer: Any, places: tuple[int, int], max_length: int) -> None:
        self._model, self._tokenizer, self._places, self._max_length = model, tokenizer, places, max_length
        self._reading = threading.Lock()  # a tokenizer serves one thread at a time

    def __call__(self, premise: str, hypothesis: str) -> tuple[float, float]:
        """Give the probabilities that the hypothesis follows from the premise, and that it contradicts it.

        A premise that is longer than the model reads is read in parts; each of the two is then the highest of any part.
        """
        from bot.learning.batches import outputs, softmax

        with self._reading, runs.threads():
            found = outputs(self._model, self._parts(premise, hypothesis), self._tokenizer.pad_token_id)
        shares = [softmax(one["logits"]) for one in found]
        entailed, contradicted = (max(float(one[place]) for one in shares) for place in self._places)
        return entailed, contradicted

    def _parts(self, premise: str, hypothesis: str) -> list[dict[str, Any]]:
        """Cut a pair into tokens: the premise's parts overlap, each beside the whole hypothesis."""
        room = self._max_length // 2
        if len(self._tokenizer(hypothesis)["input_ids"]) > room:  # no room for a part of the premise beside it
            return [dict(self._tokenizer(premise, hypothesis, truncation=True, max_length=self._max_length))]
        found = self._tokenizer(
            premise, hypothesis, truncation="only_first", max_length=self._max_length, stride=room // 3,
            return_overflowing_tokens=True,
        )  # fmt: skip
        names = ("input_ids", "attention_mask", "token_type_ids")
        known = [name for name in names if name in found]
        return [{name: found[name][part] for name in known} for part in range(len(found["input_ids"]))]


def open_entailment(folder: Path) -> Entailment:
    """Open a folder of `bot train pair`; loads torch, and says so.

    Raises:
        UserError: the folder holds no such model, or one without these labels.
    """
    if not folder.is_dir():
        raise UserError(f"there is no entailment model at {folder}. {TRAIN} {folder}")
    run = runs.read_run(folder)
    labels = tuple(run.get("labels") or ())
    entailed, contradicted = place_of(labels, "entailment"), place_of(labels, "contradiction")
    if run["task"] != "pair" or entailed is None or contradicted is None:
        raise UserError(
            f"{folder}: entailment needs a pair model with the labels entailment and contradiction, and this is one "
            f"of {run['task']} (labels: {', '.join(labels) or 'none'}). "
            f"{TRAIN} runs/nli"
        )
    LOG.warning("The entailment model %s loads torch, which serving alone does not need.", folder)
    from transformers import AutoTokenizer

    from bot.learning.learner import opened

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = opened(folder, "AutoModelForSequenceClassification")
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: its model cannot be opened ({error}). Train it again.") from error
    return Entailment(model, tokenizer, (entailed, contradicted), run["max_length"])
