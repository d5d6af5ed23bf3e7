"""Models that `bot train` made, at the bot's side: topic, upset visitors, names, which sentence answers, a short form.

Each is off unless a setting names its folder; only then torch is loaded. The stored answer stays as it is: what a model
says goes into the trace. A visitor gets an answer whatever a model does.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.composing import Answer
from bot.generate import noted
from bot.shortening import Shortener, parts_of, sentence_at, supported
from bot.smalltalk import reply
from indexer.errors import UserError
from indexer.index import Index

if TYPE_CHECKING:
    from bot.settings import Settings

SURE = 0.6  # probability from which a visitor is taken to be upset
KEPT = 1000  # texts whose entities are remembered: rules and stored answers come again and again
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


class Tagger:
    """Finds what a text names, in its order; the same text again: from memory."""

    def __init__(self, folder: Path) -> None:
        model = Model("tagger", folder, "tag")
        self.kinds = sorted({label.partition("-")[2] for label in model.labels} - {""})

        def found_in(text: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = model(text)["entities"] if text.strip() else []
            return found

        self._found = lru_cache(KEPT)(found_in)

    def __call__(self, text: str) -> Sequence[Mapping[str, Any]]:
        """Give the entities of a text: `label`, `text`, `start`, `end`, `probability`."""
        return self._found(text)


@dataclass(frozen=True, slots=True)
class Models:
    """What is asked about every answer; called, it gives the answer with more in its trace."""

    classifier: Model | None = None
    upset: Sequence[str] = ()  # its labels that mean an upset visitor
    reader: Model | None = None
    shorten: int = 0  # characters of an answer from which it gets a short form; 0: never
    contact: str = ""
    shortener: Callable[[str], str] | None = None
    tagger: Callable[[str], Sequence[Mapping[str, Any]]] | None = None

    def __call__(self, message: str, answer: Answer, index: Index | None = None) -> Answer:
        """Add `topic`, `topic_probability`, `person`, `entities`, `highlight`, `short`, `short_by` to the trace.

        `index` is what the answer is from; its encoder helps to check what a shortener writes.
        """
        if answer.decision == "smalltalk":
            return answer
        for look in (self._routed, self._named, self._marked, self._shortened, self._written):
            try:
                answer = noted(answer, **look(message, answer, index))
            except Exception:
                LOG.exception("a model failed")
        return answer

    def _routed(self, message: str, answer: Answer, index: Index | None) -> dict[str, Any]:
        """Name the topic; offer an upset visitor a person, unless the text does already."""
        if self.classifier is None or not message.strip():
            return {}
        said = self.classifier(message)
        found = {"topic": said["label"], "topic_probability": round(said["probability"], 4)}
        upset = sum(said["probabilities"].get(label, 0.0) for label in self.upset)
        if upset >= SURE and self.contact not in answer.text:
            found["person"] = reply("person", str(answer.trace.get("lang", "en")), self.contact)
        return found

    def _named(self, message: str, answer: Answer, index: Index | None) -> dict[str, Any]:
        """Name what the message names."""
        if self.tagger is None:
            return {}
        return {
            "entities": [
                {name: one[name] for name in ("label", "text", "start", "end")} for one in self.tagger(message)
            ]
        }

    def _marked(self, message: str, answer: Answer, index: Index | None) -> dict[str, Any]:
        """Name the sentence that answers, as the reader has it."""
        parts = parts_of(answer)
        if self.reader is None or not parts or not message.strip():
            return {}
        said = self.reader(message, answer.text)
        sentence = sentence_at(answer.text, parts, said["start"]) if said["answer"] else ""
        return {"highlight": sentence} if sentence else {}

    def _shortened(self, message: str, answer: Answer, index: Index | None) -> dict[str, Any]:
        """Name the sentence that stands for a long answer: the reader's, else the lead."""
        parts = parts_of(answer)
        if not (parts and self.shorten and len(answer.text) > self.shorten):
            return {}
        return {"short": answer.trace.get("highlight", parts[0])}

    def _written(self, message: str, answer: Answer, index: Index | None) -> dict[str, Any]:
        """Put what the shortener writes in the place of the lead, where the stored answer says all of it."""
        if self.shortener is None or "short" not in answer.trace or "highlight" in answer.trace:
            return {}
        written = supported(self.shortener(answer.text), answer, index)
        if written in parts_of(answer):
            return {"short": written}
        return {"short": written, "short_by": "shortener"} if written else {}


def open_models(settings: "Settings") -> Models | None:
    """Open the models that the settings name; None where nothing is set.

    Raises:
        UserError: a folder, a label or the contact is missing, or nothing is there to be shortened.
    """
    if settings.shortener and not settings.shorten:
        raise UserError("shortener: no answer is shortened while shorten is 0. Set shorten, such as 400.")
    if not (settings.classifier or settings.reader or settings.shorten or settings.tagger):
        return None
    classifier = Model("classifier", settings.classifier, "classify") if settings.classifier else None
    reader = Model("reader", settings.reader, "read") if settings.reader else None
    shortener = _open_shortener(settings.shortener) if settings.shortener else None
    tagger = _tagger(settings.tagger) if settings.tagger else None
    _check_upset(settings, classifier.labels if classifier else ())
    return Models(classifier, settings.upset, reader, settings.shorten, settings.contact, shortener, tagger)


def open_tagger(settings: "Settings") -> Callable[[str], str] | None:
    """Open the tagger that the settings name, as what masks the personal data that it finds; None where none is set.

    Raises:
        UserError: the folder is none of `bot train tag`, or knows nothing that is personal.
    """
    if settings.tagger is None:
        return None
    from bot.journal.personal import KINDS, mask_found

    tagger = _tagger(settings.tagger)
    if not any(kind.upper() in KINDS for kind in tagger.kinds):
        told = f"knows {', '.join(tagger.kinds)} and none of {', '.join(KINDS)}"
        raise UserError(f"tagger: {settings.tagger} {told}, so it would mask nothing. Train it with one of these.")
    return lambda text: mask_found(text, tagger(text))


_tagger = lru_cache(1)(Tagger)  # trace and journal share one


def _open_shortener(folder: Path) -> Shortener:
    model = Model("shortener", folder, "seq2seq")
    return Shortener(lambda text: str(model(text)["written"]))


def _check_upset(settings: "Settings", labels: Sequence[str]) -> None:
    unknown = [label for label in settings.upset if label not in labels]
    if unknown:
        known = ", ".join(labels) or "none, as no classifier is set"
        raise UserError(f"upset: {unknown[0]!r} is no label of the classifier ({known}). Name one of them.")
    if settings.upset and not settings.contact:
        raise UserError("upset: who is upset is offered a person, and nothing says where. Set contact.")
