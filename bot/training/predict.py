"""Prediction: what a trained folder makes of texts; and labels without examples, by entailment."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.learning import runs
from bot.learning.entailment import place_of
from bot.learning.task import Setup
from bot.tasks import load_task
from indexer.errors import UserError

HYPOTHESIS = "This is about {}."


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained folder, open."""

    task: Any
    name: str
    model: Any
    setup: Setup

    def predict(self, texts: Sequence[str], contexts: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Say what the model makes of texts, or of each text with each context; a blank text is an error."""
        _refuse_blank([*texts, *contexts])
        with runs.threads():
            found: list[dict[str, Any]] = self.task.predict(self.model, self.setup, texts, contexts)
        return found


def open_trained(folder: Path) -> Trained:
    """Open what `bot train` made.

    Raises:
        UserError: the folder holds no finished run, or its model cannot be opened.
    """
    run = runs.read_run(folder)
    task = load_task(run["task"])
    from transformers import AutoTokenizer

    from bot.learning.learner import opened

    options = task.Options(**run["arguments"]["options"])
    try:
        setup = Setup(AutoTokenizer.from_pretrained(folder), tuple(run["labels"]), options, run["max_length"])
        model = task.load(folder, setup) if hasattr(task, "load") else opened(folder, task.KIND)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: its model cannot be opened ({error}). Train it again.") from error
    return Trained(task, run["task"], model, setup)


def zero_shot(trained: Trained, text: str, labels: Sequence[str], hypothesis: str = HYPOTHESIS) -> dict[str, Any]:
    """Give each label the probability that the text entails its hypothesis rather than another's (arXiv:1909.00161).

    Raises:
        UserError: the text is blank, the model is none of pairs with a label of entailment, or there are no two labels.
    """
    _refuse_blank([text])
    at = place_of(trained.setup.labels, "entailment")
    if trained.name != "pair" or at is None:
        known = ", ".join(trained.setup.labels) or "none"
        raise UserError(f"zero-shot needs a pair model with the label 'entailment' (this one's labels: {known}).")
    if "{}" not in hypothesis:
        raise UserError(f"--hypothesis {hypothesis!r}: write {{}} where the label stands.")
    if len(set(labels)) < 2:
        raise UserError('--zero-shot takes two labels or more, with commas: "refund, delivery, account".')
    import numpy as np

    from bot.learning.batches import likeliest

    names = list(dict.fromkeys(labels))
    pairs = [(text, hypothesis.replace("{}", name)) for name in names]
    with runs.threads():
        rows = trained.task.logits(trained.model, trained.setup, pairs)
    return {"text": text, **likeliest(names, np.array([row[at] for row in rows]))}


def _refuse_blank(texts: Sequence[str]) -> None:
    if any(not text.strip() for text in texts):
        raise UserError("a text is empty: give each some words.")
