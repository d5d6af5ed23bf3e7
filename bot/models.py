"""Models that `bot train` made, at the bot's side: what a message is about, who is upset, which sentence answers.

Each is off unless a setting names its folder; only then torch is loaded. The stored answer stays as it is: what a model
says goes into the trace. A visitor gets an answer whatever a model does.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.composing import Answer
from bot.generate import wanted
from bot.grounding import sentences
from bot.smalltalk import reply
from indexer.errors import UserError

if TYPE_CHECKING:
    from bot.settings import Settings

SURE = 0.6  # probability from which a visitor is taken to be upset
KEPT = 1000  # texts whose masked form is remembered: rules and stored answers come again and again
LOG = logging.getLogger(__name__)


class Model:
    """A trained folder that answers one text at a time, for many threads: a tokenizer is not to be shared."""

    def __init__(self, setting: str, folder: Path, task: str) -> None:
        """Open it.

        Raises:
            UserError: no training left it, or one of another task.
        """
        from bot.training.predict import open_trained

        LOG.warning("%s %s loads torch, which serving alone does not need.", setting, folder)
        try:
            self._trained = open_trained(folder)
        except UserError as error:
            raise UserError(f"{setting}: {error}") from error
        if self._trained.name != task:
            raise UserError(
                f"{setting}: {folder} is of `bot train {self._trained.name}`. Name one of `bot train {task}`."
            )
        self.labels, self._lock = self._trained.setup.labels, threading.Lock()

    def __call__(self, text: str, *contexts: str) -> dict[str, Any]:
        """Say what it makes of a text, or of a text and a context."""
        with self._lock:
            found: dict[str, Any] = self._trained.task.predict(
                self._trained.model, self._trained.setup, [text], contexts
            )[0]
        return found


@dataclass(frozen=True, slots=True)
class Models:
    """What is asked about every answer; called, it gives the answer with more in its trace."""

    classifier: Model | None = None
    upset: Sequence[str] = ()  # its labels that mean an upset visitor
    reader: Model | None = None
    shorten: int = 0  # characters of an answer from which it gets a short form; 0: never
    contact: str = ""

    def __call__(self, message: str, answer: Answer) -> Answer:
        """Add `topic` and `topic_probability`, `person`, `highlight` and `short` to an answer's trace."""
        if answer.decision == "smalltalk":
            return answer
        try:
            more = {**self._routed(message, answer), **self._marked(message, answer)}
        except Exception:
            LOG.exception("a model failed")
            return answer
        return replace(answer, trace={**answer.trace, **more})

    def _routed(self, message: str, answer: Answer) -> dict[str, Any]:
        """Name the topic; offer an upset visitor a person, unless the text does already."""
        if self.classifier is None or not message.strip():
            return {}
        said = self.classifier(message)
        found = {"topic": said["label"], "topic_probability": round(said["probability"], 4)}
        upset = sum(said["probabilities"].get(label, 0.0) for label in self.upset)
        if upset >= SURE and self.contact not in answer.text:
            found["person"] = reply("person", str(answer.trace.get("lang", "en")), self.contact)
        return found

    def _marked(self, message: str, answer: Answer) -> dict[str, Any]:
        """Name the sentence that answers, as the reader has it, and the one that shortens: it or the lead."""
        stays = answer.decision == "answer" and not wanted(answer)  # a generator may write another text
        parts = sentences(answer.text) if stays else []
        if len(parts) < 2:
            return {}
        found = {}
        if self.reader is not None and message.strip():
            said = self.reader(message, answer.text)
            if said["answer"] and (sentence := sentence_at(answer.text, parts, said["start"])):
                found["highlight"] = sentence
        if self.shorten and len(answer.text) > self.shorten:
            found["short"] = found.get("highlight", parts[0])
        return found


def sentence_at(text: str, parts: Sequence[str], place: int) -> str:
    """Give the sentence of a text that holds a character."""
    end = 0
    for part in parts:
        start = text.index(part, end)
        end = start + len(part)
        if place < end:
            return part if start <= place else ""
    return ""


def open_models(settings: "Settings") -> Models | None:
    """Open the classifier and the reader that the settings name; None where nothing is set.

    Raises:
        UserError: a folder, a label or the contact is missing.
    """
    if not (settings.classifier or settings.reader or settings.shorten):
        return None
    classifier = Model("classifier", settings.classifier, "classify") if settings.classifier else None
    reader = Model("reader", settings.reader, "read") if settings.reader else None
    _check_upset(settings, classifier.labels if classifier else ())
    return Models(classifier, settings.upset, reader, settings.shorten, settings.contact)


def open_tagger(settings: "Settings") -> Callable[[str], str] | None:
    """Open the tagger that the settings name, as what masks the personal data that it finds; None where none is set.

    Raises:
        UserError: the folder is none of `bot train tag`, or knows nothing that is personal.
    """
    if settings.tagger is None:
        return None
    from bot.journal.personal import KINDS, mask_found

    tagger = Model("tagger", settings.tagger, "tag")
    known = sorted({label.partition("-")[2] for label in tagger.labels} - {""})
    if not any(kind.upper() in KINDS for kind in known):
        told = f"knows {', '.join(known)} and none of {', '.join(KINDS)}"
        raise UserError(f"tagger: {settings.tagger} {told}, so it would mask nothing. Train it with one of these.")

    def found_in(text: str) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = tagger(text)["entities"] if text.strip() else ()
        return found

    return lru_cache(KEPT)(lambda text: mask_found(text, found_in(text)))


def _check_upset(settings: "Settings", labels: Sequence[str]) -> None:
    unknown = [label for label in settings.upset if label not in labels]
    if unknown:
        known = ", ".join(labels) or "none, as no classifier is set"
        raise UserError(f"upset: {unknown[0]!r} is no label of the classifier ({known}). Name one of them.")
    if settings.upset and not settings.contact:
        raise UserError("upset: who is upset is offered a person, and nothing says where. Set contact.")
