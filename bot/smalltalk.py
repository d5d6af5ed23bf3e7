"""Small talk: a greeting, thanks, "are you human?", "a person, please", and nothing else in the message.

A message is small talk where patterns (smalltalk.txt) make it up from its first letter to its last, piece by piece:
at each place the longest piece is taken, so that the time is linear in the length of the message.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

PATTERNS = Path(__file__).with_name("smalltalk.txt")
LONGEST = 120  # characters: nothing longer is small talk only
BETWEEN = re.compile(r"(?:[\W_ㅋㅠㅜ]|ㅎ(?!ㅇ))*")  # what may stand between two pieces: marks, emoji, laughter
HANGUL = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ]")
SALUTATION, GREETING = "salutation", "greeting"
PAUSE = re.compile(r"[,.!?~:;\n]|$")
# Where a message is several kinds, the first of these is answered.
KINDS = ("person", "human", "about", "insult", "goodbye", "thanks", "compliment", "sorry", "greeting", "okay")
ASIDE = ("person", "human", "insult")  # kinds whose text names the contact

TEXTS: dict[tuple[str, str], str] = {
    ("greeting", "en"): "Hello! What would you like to know? Ask in your own words.",
    ("greeting", "ko"): "안녕하세요! 무엇이 궁금하세요? 편하게 물어보세요.",
    ("thanks", "en"): "You are welcome. Is there anything else you would like to know?",
    ("thanks", "ko"): "천만에요. 더 궁금한 것이 있으면 언제든 물어보세요.",
    ("goodbye", "en"): "Goodbye! Come back whenever you have a question.",
    ("goodbye", "ko"): "안녕히 가세요! 궁금한 것이 생기면 또 찾아 주세요.",
    ("human", "en"): "I am a bot, not a person. I look for the answer among stored questions and answers.",
    ("human", "ko"): "저는 사람이 아니라 봇이에요. 저장된 질문과 답변에서 답을 찾아 드려요.",
    ("about", "en"): "I am a bot that looks for the answer among stored questions and answers. "
    "Ask in your own words; where nothing fits, I say so.",
    ("about", "ko"): "저는 저장된 질문과 답변에서 답을 찾아 드리는 봇이에요. "
    "궁금한 것을 편하게 물어보세요. 맞는 답이 없으면 없다고 말씀드려요.",
    ("person", "en"): "I am a bot and cannot put you through to a person. "
    "Tell me what it is about, and I will look for a stored answer.",
    ("person", "ko"): "저는 봇이라서 사람에게 바로 연결해 드리지는 못해요. "
    "무엇이 필요하신지 적어 주시면 저장된 답변을 찾아볼게요.",
    ("sorry", "en"): "No problem at all. What would you like to know?",
    ("sorry", "ko"): "괜찮아요. 무엇이 궁금하세요?",
    ("compliment", "en"): "Thank you, that is kind. What else would you like to know?",
    ("compliment", "ko"): "고마워요. 더 궁금한 것이 있으면 물어보세요.",
    ("insult", "en"): "I am sorry that I have been no help. Could you put it in other words?",
    ("insult", "ko"): "도움이 되지 못해 죄송해요. 다른 말로 다시 물어봐 주시겠어요?",
    ("okay", "en"): "Good. If there is anything else, just ask.",
    ("okay", "ko"): "네. 더 궁금한 것이 있으면 물어보세요.",
}
CONTACT = {"en": "You can reach a person here: {}", "ko": "사람에게 물어보시려면 여기로 연락해 주세요: {}"}


class _Piece(NamedTuple):
    """What a pattern matched: its kind, and where the next piece begins."""

    kind: str
    end: int


def kind_of(message: str) -> str | None:
    """Give the kind of a message that is nothing but small talk; None of any other."""
    text = _readable(message)
    if len(text) > LONGEST:
        return None
    found = list(_pieces(text))
    whole = bool(found) and _skip(text, found[-1].end) == len(text)
    kinds = {GREETING if piece.kind == SALUTATION else piece.kind for piece in found}
    return next((kind for kind in KINDS if kind in kinds), None) if whole else None


def without_greeting(message: str) -> str:
    """Cut the greeting in front of a question off: "hi there, how do I ..." is asked without it."""
    text, start = _readable(message), 0
    for piece in _pieces(text):
        if piece.kind not in (SALUTATION, GREETING) or not _ended(text, piece):
            break
        start = piece.end
    return (start and text[_skip(text, start) :]) or message


def reply(kind: str, language: str, contact: str = "") -> str:
    """Give the text that answers small talk; `contact` says where a person can be reached."""
    if kind == "person" and contact:
        return CONTACT[language].format(contact)
    return with_contact(TEXTS[kind, language], language, contact if kind in ASIDE else "")


def with_contact(text: str, language: str, contact: str) -> str:
    """Add to a text where a person can be reached, if that is known."""
    return f"{text} {CONTACT[language].format(contact)}" if contact else text


def _pieces(text: str) -> Iterator[_Piece]:
    """Cut a text into the longest pieces that the patterns of its language know, up to the first unknown one."""
    patterns = _patterns("ko" if HANGUL.search(text) else "en")
    start = _skip(text, 0)
    while start < len(text):
        matched = ((kind, pattern.match(text, start)) for kind, pattern in patterns)
        best = max((_Piece(kind, m.end()) for kind, m in matched if m), key=lambda piece: piece.end, default=None)
        if best is None or best.end == start:
            return
        yield best
        start = _skip(text, best.end)


def _ended(text: str, greeting: _Piece) -> bool:
    """Tell whether a greeting ends here: "hi" before a space, "what's new" only before a mark ("what's new in ...")."""
    return bool(PAUSE.match(text, greeting.end)) or (greeting.kind == SALUTATION and text[greeting.end] == " ")


def _skip(text: str, at: int) -> int:
    """Give the place after what may stand between two pieces."""
    found = BETWEEN.match(text, at)
    return found.end() if found else at


def _readable(message: str) -> str:
    """Compose the letters, make the apostrophes one and the white space single."""
    return " ".join(unicodedata.normalize("NFC", message).replace("\u2019", "'").split())


@cache
def _patterns(language: str) -> list[tuple[str, re.Pattern[str]]]:
    """Read the patterns of a language: the kind and what matches it."""
    found: list[tuple[str, re.Pattern[str]]] = []
    names: dict[str, str] = {}
    kind, its_language = "", ""
    for line in PATTERNS.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            kind, its_language = line.strip("[]").split()
        elif " = " in line and not kind:
            name, pattern = line.split(" = ", 1)
            names[name] = pattern
        elif line and its_language == language and not line.startswith("#"):
            found.append((kind, _compile(line, language, names)))
    return found


def _compile(line: str, language: str, names: dict[str, str]) -> re.Pattern[str]:
    """Make a pattern of a line; English words end where they end, Korean ones may be glued together."""
    for name, pattern in names.items():
        line = line.replace("{" + name + "}", pattern)
    if language == "ko":
        return re.compile(f"(?:{line.replace(' ?', ' ').replace(' ', ' ?')})", re.IGNORECASE)
    line = line.replace(" ?", "[^a-z0-9]?").replace(" ", "[^a-z0-9]+").replace("'", "'?")
    return re.compile(rf"(?:{line})(?![^\W_])", re.IGNORECASE)
