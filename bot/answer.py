"""The bot: a message in, one answer out, with everything that the answer rests on."""

import threading
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from bot.composing import TEXTS, Answer, Decision, Source, compose, small_talk
from bot.conversation import WIDTH, Topic, Topics, is_bare, joined, leans, together
from bot.generate import Writing
from bot.smalltalk import kind_of, without_greeting
from indexer.confidence import judge
from indexer.index import Index
from indexer.manifest import FILE as MANIFEST
from indexer.words import has_hangul

__all__ = ["TEXTS", "Answer", "Bot", "Decision", "Source", "answer_from", "compose"]

SHOWN = 5  # candidates in an answer
NO_TOPIC = Topic()
REMEMBERED = 1_000  # answers of a generation that are kept for whoever asks the same


Look = Callable[[str, Answer, Index], Answer]  # adds to an answer's trace what models make of message and answer


class Bot:
    """Answers from an index folder, and follows it from generation to generation. Safe to share between threads."""

    def __init__(
        self,
        folder: str | Path,
        contact: str = "",
        generator: str = "",
        secret: str = "",
        models: Look | None = None,
        entailment: Path | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._models = models
        self.contact = contact  # where a person can be reached: words, an address, a URL
        self._topics = Topics()
        self._published = self._stamp()
        self._follow(Index.open(self.folder))
        self._writing = Writing(generator, self._index, secret, entailment) if generator else None
        self._info: dict[str, Any] = {}  # of one generation: every page asks for it
        self._swapping = threading.Lock()

    def answer(self, message: str, session: str | None = None) -> Answer:
        """Answer a message; `session` names the conversation that it belongs to. Without one nothing is remembered."""
        *_, answer = self.stream(message, session)
        return answer

    def stream(self, message: str, session: str | None = None) -> Iterator[Answer]:
        """Search at once, then give the answer as it grows where a generator writes one; the last one counts."""
        self._keep_up()
        topic = self._topics.of(session)
        answer = self._remembered(message, topic if leans(message, topic.message) else NO_TOPIC)
        if session:
            self._topics.keep(session, topic_after(answer, message, topic))
        return self._writing.answers(self._index, message, answer) if self._writing else iter([answer])

    @property
    def generates(self) -> bool:
        """Whether a generator helps where no stored answer is sure."""
        return self._writing is not None

    def forget(self, session: str) -> None:
        """Forget what a conversation was about."""
        self._topics.forget(session)

    def warm(self) -> None:
        """Load whatever loads late, so that no visitor waits for it."""
        for message in ("warm-up", "준비 운동"):
            answer_from(self.index, message)
        self.info()

    def search(self, query: str, k: int = 5) -> list[dict[str, Any]]:
        """Give the k best entries for a query, without a decision."""
        (found,) = self.index.search([query], k)
        return [candidate.to_dict() for candidate in found]

    def info(self) -> dict[str, Any]:
        """Say what the bot answers from, with a few stored questions to begin with."""
        index = self.index
        if self._info.get("generation") != index.facts.generation:
            self._info = {**index.describe(), "examples": examples(index)}
        return self._info

    @property
    def index(self) -> Index:
        """The generation that is published now."""
        self._keep_up()
        return self._index

    def _keep_up(self) -> None:
        """Take a rebuilt index up with the next message."""
        stamp = self._stamp()
        if stamp and stamp != self._published:
            with self._swapping:
                if stamp != self._published:
                    # The old one is not closed: other threads may be in the middle of an answer from it.
                    self._follow(Index.open(self.folder))
                    self._published = stamp

    def _follow(self, index: Index) -> None:
        """Answer from an index from here on, and forget the answers of the one before."""
        self._index = index
        self._remembered = lru_cache(REMEMBERED)(partial(self._looked_at, index))

    def _looked_at(self, index: Index, message: str, topic: Topic) -> Answer:
        answer = answer_from(index, message, topic, self.contact)
        return self._models(message, answer, index) if self._models else answer

    def _stamp(self) -> tuple[int, int] | None:
        """Tell one published manifest from the next, for the price of one look at the folder."""
        try:
            found = (self.folder / MANIFEST).stat()
        except OSError:
            return None  # gone: go on answering from what is open
        return found.st_mtime_ns, found.st_ino


def answer_from(index: Index, message: str, topic: Topic = NO_TOPIC, contact: str = "") -> Answer:
    """Answer a message from one generation; `topic` is what it leans on, if it does."""
    message = message.encode("utf-8", "replace").decode()
    kind, asked = kind_of(message), without_greeting(message)
    if (kind or asked != message) and index.database.same_question(index.facts.generation, message):
        kind, asked = None, message  # the sheet has an answer of its own to this
    if kind:
        return small_talk(kind, message, index, contact)
    if topic.message:
        return follow(index, message, asked, topic, contact)
    (found,) = index.search([asked], SHOWN)
    return compose(message, found, judge(asked, found, index.calibration), index, contact)


def follow(index: Index, message: str, asked: str, topic: Topic, contact: str) -> Answer:
    """Answer a message that leans on a topic: together with it where that is clearer, never where it is sure alone."""
    text = joined(without_greeting(topic.message), asked)
    alone, both = index.search([asked, text], WIDTH)
    merged = together(alone, both, topic, heard=not is_bare(asked, adding=False))[:SHOWN]
    by_itself, with_topic = judge(asked, alone[:SHOWN], index.calibration), judge(text, merged, index.calibration)
    if by_itself.decision == "answer" or with_topic.probability <= by_itself.probability:
        return compose(message, alone[:SHOWN], by_itself, index, contact)
    return compose(message, merged, with_topic, index, contact, followed=topic.message)


def topic_after(answer: Answer, message: str, topic: Topic) -> Topic:
    """Say what a conversation is about after an answer: small talk and follow-ups leave the topic as it is."""
    if answer.decision == "smalltalk" or answer.trace["followed"]:
        return topic
    first = answer.candidates[0] if answer.candidates else {}
    return Topic(message, first.get("entry", ""), str(first.get("category", "")))


def examples(index: Index, each: int = 3) -> list[str]:
    """Pick short stored questions from different categories, in each language."""
    picked: dict[tuple[bool, str], str] = {}
    for row in index.database.rows(index.facts.generation):
        slot = (has_hangul(row.question), str(row.extra.get("category", row.entry)))
        if slot not in picked and 8 <= len(row.question) <= 60:
            picked[slot] = row.question
    korean = [question for (hangul, _), question in picked.items() if hangul]
    english = [question for (hangul, _), question in picked.items() if not hangul]
    return korean[:each] + english[:each]
