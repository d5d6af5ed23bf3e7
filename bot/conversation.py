"""Conversations: which messages lean on an earlier one, how both are read together, and what each session is about.

"그럼 환불은요?" or "how long does that take?" say little by themselves. Such a message is looked up alone and joined to
the session's topic, its last message that stood on its own; an entry's score is the mean of both searches, so that the
answer fits the message and the topic. The entry that answered the topic is left out, since it has been heard.
"""

import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from indexer.retrieve import Candidate
from indexer.words import has_hangul, words

SESSIONS = 10_000  # at once; the one that was silent longest is forgotten first
LASTING = 30 * 60.0  # seconds of silence after which a session is forgotten
TOPIC_LIMIT = 300  # characters of a topic that are kept
WIDTH = 20  # candidates of each search that are looked at together
MOST_LETTERS, OPENING_WORDS, POINTING_WORDS = 80, 9, 7  # of a message that leans
KINDRED = 1.2  # factor for entries of the category that the topic is of, where a sheet has categories

# A message leans if it begins so, or in Korean ends so ...
OPENING = {
    "en": re.compile(
        r"(?:(?:ok|okay|oh|hm+|well|thanks|thank you|sure|yes|no|right|great)\b[\s,.!]*)?"
        r"(?:and|but|so|or|then|also|what about|how about|what if|if so|if not|why not|same)\b",
        re.IGNORECASE,
    ),
    "ko": re.compile(
        r"(?:(?:네|아|오|음|감사합니다|알겠습니다)[\s,.!]*)?"
        r"(?:(?:그럼|그러면|그럼요|그리고|근데|그런데|그래서|그러다|그래도|또|만약|만일|혹시)(?:\s|$|,)"
        r"|.*(?:은|는|도|면|라도|만)요[\s?.!~]*$)",
        re.DOTALL,
    ),
}
# ... or if it is shorter still and a pronoun or the last word points back.
POINTING = {
    "en": re.compile(
        r"\b(?:it|its|that|this|these|those|they|them|theirs?|he|she|him|her|his|ones|mine|yours)\b"
        r"|\b(?:instead|else|too|either|again|already|another)\b"
        r"|\b(?:the|that|which|a \w{1,20}|\w{1,20}al|second|third|next|new|old|same) one\b|\bone[\s?.!]*$"
        r"|(?<!is )(?<!are )\bthere\b(?! (?:is|are|an?|any)\b)|\b(?:then|others?|same)[\s?.!]*$",
        re.IGNORECASE,
    ),
    "ko": re.compile(
        r"(?:^|\s)(?:그거|그건|그게|그것|그걸|그때|그다음|그|이거|이건|이게|이것|이걸|거기|거긴|여기|제\s?건|제\s?거|저건|저거)"
        r"(?:은|는|도|로|에|에서|이|을|를|만)?(?=\s|$|[?.,!])"
    ),
}
# A question of such words alone asks more about what was just answered: "얼마예요?", "how long do I have?"
BARE_ENGLISH = re.compile(
    r"(?:how|long|much|many|when|where|why|what|which|who|does|do|did|is|are|was|will|would|can|could|should|may|must|i|we"
    r"|you|my|me|your|to|for|have|has|had|get|got|be|an?|the|of|in|on|at|by|with|from|takes?|costs?|need|works?|happens?"
    r"|go|says?|means?|now|later|still|yet|please|exactly|usually|really|even|ever|just|not?|don|doesn|t|s)"
)
BARE_KOREAN = re.compile(
    r"(?:얼마나?|언제(?:까지|부터|쯤)?|며칠|몇|어디(?:서|에서|로|에)?|어떻게|왜|뭐(?:가|를|예요)?|뭘|누가|무엇(?:을|이)?|어느|어떤"
    r"|걸려요|걸리나요|돼요|되나요|하나요|해요|있어요|있나요|드나요|들어요|되죠|될까요|안|더|더는|수|할|될|가능해요|가능한가요|좀|정도"
    r"|한|두|번|한번|개|명|분|시간|일|달|(?:얼마|언제|어디)(?:예요|인가요|요)|왜요|어떻게요|어디서요|어떡해요|어떡하죠|보통|다시"
    r"|꼭|그냥|바로|나중에|아직|이미|벌써|지금|다음|제가|저는|저|아무도|하면|되는데요|떠요|뜨는데요|나와요|나오는데요)"
)
ADDED = re.compile(r"\S{1,10}(?:면|도)")  # a condition or an addition beside bare words: "놓쳤으면 어떡해요?"


class Topic(NamedTuple):
    """What a session is about: a message, the entry found first for it, and that one's category, if it has one."""

    message: str = ""
    entry: str = ""
    category: str = ""


class Topics:
    """What each session was last about; bounded, expiring, safe to share between threads.

    It lives in the memory of one process: with several worker processes the messages of a session reach now one, now
    another, and a follow-up may find no topic. So serve with one worker and threads: gunicorn --workers 1 --threads 8.
    """

    def __init__(
        self, most: int = SESSIONS, lasting: float = LASTING, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._lasting, self._clock = most, lasting, clock
        self._kept: OrderedDict[bytes, tuple[float, Topic]] = OrderedDict()  # the silent ones first
        self._changing = threading.Lock()

    def __len__(self) -> int:
        """Count the sessions that are remembered."""
        return len(self._kept)

    def of(self, session: str | None) -> Topic:
        """Give the topic of a session; an empty one where nothing is remembered."""
        with self._changing:
            self._expire()
            return self._kept.get(_key(session), (0.0, Topic()))[1] if session else Topic()

    def keep(self, session: str, topic: Topic) -> None:
        """Remember what a session is about from here on."""
        with self._changing:
            self._kept[_key(session)] = (self._clock(), topic._replace(message=topic.message[:TOPIC_LIMIT]))
            self._kept.move_to_end(_key(session))
            self._expire()

    def forget(self, session: str) -> None:
        """Forget a session."""
        with self._changing:
            self._kept.pop(_key(session), None)

    def _expire(self) -> None:
        oldest = self._clock() - self._lasting
        while self._kept and (len(self._kept) > self._most or next(iter(self._kept.values()))[0] < oldest):
            self._kept.popitem(last=False)


def _key(session: str) -> bytes:
    """Shorten a session's name, however long it is, to 16 bytes."""
    return hashlib.blake2b(session.encode("utf-8", "replace"), digest_size=16).digest()


def leans(message: str, topic: str) -> bool:
    """Tell whether a message may lean on an earlier one."""
    return bool(topic) and has_hangul(message) == has_hangul(topic) and points_back(message)


def points_back(message: str) -> bool:
    """Tell whether a message shows that something came before it: it is short and points there, or names nothing."""
    length, language = len(words(message)), "ko" if has_hangul(message) else "en"
    if len(message) > MOST_LETTERS or length > OPENING_WORDS:
        return False
    pointing = length <= POINTING_WORDS and POINTING[language].search(message)
    return bool(pointing or OPENING[language].match(message.strip()) or is_bare(message))


def is_bare(message: str, adding: bool = True) -> bool:
    """Tell whether a message is a question that names nothing; `adding` counts "놓쳤으면 어떡해요?" too."""
    asked = words(message)
    if not has_hangul(message):
        return bool(asked) and all(BARE_ENGLISH.fullmatch(word) for word in asked)
    return 0 < len(asked) <= 5 and all(
        BARE_KOREAN.fullmatch(word) or (adding and ADDED.fullmatch(word)) for word in asked
    )


def joined(topic: str, message: str) -> str:
    """Put a message and its topic together, to be looked up as one."""
    return f"{topic} {message}"


def together(alone: Sequence[Candidate], both: Sequence[Candidate], topic: Topic, heard: bool) -> list[Candidate]:
    """Rank by the mean score of the message alone and joined to its topic; `heard` leaves the topic's own entry out.

    An entry that only one search found gets the other's lowest score.
    """
    found = {candidate.entry: candidate for candidate in (*alone, *both)}
    scores = [{one.entry: one.ranked.rank_score for one in side} for side in (alone, both)]
    means: dict[str, float] = {}
    for entry, candidate in found.items():
        mean = sum(side.get(entry, min(side.values(), default=0.0)) for side in scores) / len(scores)
        kindred = topic.category and candidate.row.extra.get("category") == topic.category
        means[entry] = mean * (KINDRED if kindred else 1.0)
    order = sorted((entry for entry in means if not (heard and entry == topic.entry)), key=lambda entry: -means[entry])
    return [replace(found[entry], ranked=replace(found[entry].ranked, rank_score=means[entry])) for entry in order]
