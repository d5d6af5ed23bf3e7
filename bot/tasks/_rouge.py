"""ROUGE-L: how much of a text another one has in the same order; and the lead sentence, the baseline to beat."""

import re
from collections.abc import Sequence

from indexer.words import plain, words


def rouge_l(said: str, reference: str) -> float:
    """Give the F1 of the longest common subsequence of words; Korean words are eojeol, with their particles.

    Lin 2004 (aclanthology.org/W04-1013), with precision and recall weighing the same. 0 where one is empty.
    """
    return _f1(words(said), words(reference))


def rouge_l_characters(said: str, reference: str) -> float:
    """Give the same over characters without spaces, which forgives a Korean word another ending."""
    return _f1(list("".join(plain(said).split())), list("".join(plain(reference).split())))


def lead_sentence(text: str) -> str:
    """Give a text's first sentence: up to a mark that space follows, or the end of a line."""
    return re.split(r"(?<=[.!?。])\s+|\n", text.strip(), maxsplit=1)[0]


def _f1(said: Sequence[str], reference: Sequence[str]) -> float:
    common = longest_common(said, reference)
    return 2 * common / (len(said) + len(reference)) if common else 0.0


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Give the length of the longest common subsequence."""
    lengths = [0] * (len(other) + 1)
    for token in one:
        diagonal = 0
        for at, against in enumerate(other, 1):
            kept = lengths[at]
            lengths[at] = diagonal + 1 if token == against else max(kept, lengths[at - 1])
            diagonal = kept
    return lengths[-1]
