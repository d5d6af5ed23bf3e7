"""Near-twins: a message and a stored question that differ where meaning turns, by a number or by a negation.

Vectors hardly notice either: "can I" and "can I not", 7 days and 14 days are neighbours.
"""

import re
import unicodedata
from collections.abc import Sequence

NEAR = 0.1  # how far behind the first, as a share of its score, a question still rivals it
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
# Words that turn a question around. Left out on purpose: a polite "can't you", and 없다 of "is there none".
NEGATION = re.compile(
    r"\b(?:not|no|never|without|cannot|can't|won't|don't|doesn't|didn't|isn't|aren't|wasn't|unable)\b"
    r"|(?:지\s?(?:않|못|마|말)|(?:^|\s)(?:안|못)\s[가-힣]|안\s?(?:되|돼|됩|될|된)|못\s?(?:하|해|했|합)|없이|불가)",
    re.IGNORECASE,
)


def numbers(text: str) -> frozenset[str]:
    """Give the numbers that a text holds, as they are written."""
    return frozenset(NUMBER.findall(unicodedata.normalize("NFKC", text)))


def negated(text: str) -> bool:
    """Tell whether a text says no to something."""
    return bool(NEGATION.search(unicodedata.normalize("NFKC", text).replace("’", "'")))


def contradicts(message: str, question: str) -> bool:
    """Tell whether a message and a stored question differ by a number that both name one of, or by a negation."""
    asked, stored = numbers(message), numbers(question)
    return bool(asked and stored and not asked & stored) or negated(message) != negated(question)


def twin(message: str, questions: Sequence[str], scores: Sequence[float]) -> bool:
    """Tell whether the first question contradicts a message while another, nearly as good, does not.

    On the public packs the first is wrong in four of five such cases (benchmarks/README.md).
    """
    if not questions or not contradicts(message, questions[0]):
        return False
    rivals = (text for text, score in zip(questions, scores, strict=True) if score > scores[0] * (1 - NEAR))
    return any(not contradicts(message, text) for text in rivals)
