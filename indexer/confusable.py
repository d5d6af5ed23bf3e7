"""Nearly the same question twice: pairs by MinHash of character pairs, without comparing all with all.

MinHash and its bands as in Broder 1997 (doi:10.1109/SEQUEN.1997.666900) and Leskovec, Rajaraman and Ullman,
"Mining of Massive Datasets", chapter 3.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ALIKE = 0.75  # Jaccard similarity of the character pairs from which two questions are reported
_HASHES = 128
_BANDS, _WIDTH = 80, 9  # a pair at .75 shares a band with probability .99, one at .3 with .002
_NEIGHBOURS = 8  # texts of one bucket that each is compared with
_ENOUGH = 10  # likely pairs after which no more are sought for a text
_FARTHEST = 28  # bits of 128 in which two signatures may differ: 16 are expected at .75, 32 at .5
_AT_ONCE = 1000  # texts hashed together, few enough for the processor's cache

_Positions = NDArray[np.intp]


def near_pairs(texts: Sequence[str], groups: Sequence[str]) -> list[tuple[float, int, int]]:
    """Give pairs of texts of different groups that are nearly the same: similarity, earlier, later position.

    A text is paired once at most, with the most similar earlier one.
    """
    signatures = _signatures(texts)
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)
    best: dict[int, tuple[float, int, int]] = {}
    for one, other in _candidates(signatures, codes):
        alike = similarity(texts[one], texts[other])
        if alike >= ALIKE and (other not in best or alike > best[other][0]):
            best[other] = alike, one, other
    return sorted(best.values(), key=lambda pair: pair[2])


def similarity(one: str, other: str) -> float:
    """Give the Jaccard similarity of the character pairs of two texts, their ends included."""
    a, b = _pairs_of(one), _pairs_of(other)
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


@lru_cache(10_000)
def _pairs_of(text: str) -> frozenset[str]:
    padded = f"\x02{text}\x03"
    return frozenset(padded[i : i + 2] for i in range(len(padded) - 1))


def _signatures(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Give MinHash values, (hashes, n)."""
    random = np.random.default_rng(0).integers(0, 2**32, (_HASHES, 2), dtype=np.uint32) | np.uint32(1)
    signatures = np.empty((_HASHES, len(texts)), dtype=np.uint32)
    for start in range(0, len(texts), _AT_ONCE):
        hashed, starts = _hashed_pairs(texts[start : start + _AT_ONCE])
        for row, (multiplier, shift) in enumerate(random):
            mixed = hashed * multiplier + shift
            mixed ^= mixed >> np.uint32(16)
            signatures[row, start : start + _AT_ONCE] = np.minimum.reduceat(mixed * multiplier, starts)
    return signatures


def _hashed_pairs(texts: Sequence[str]) -> tuple[NDArray[np.uint32], _Positions]:
    """Hash the character pairs of all texts in one row; tell where each text starts."""
    padded = "".join(f"\x02{text}\x03" for text in texts).encode("utf-32-le")
    letters = np.frombuffer(padded, dtype=np.uint32)
    hashed = letters[:-1] * np.uint32(0x9E3779B1) + letters[1:] * np.uint32(0x85EBCA77)
    hashed ^= hashed >> np.uint32(15)
    ends = np.cumsum([len(text) + 2 for text in texts])
    hashed[ends[:-1] - 1] = hashed[ends[:-1] - 2]  # the pair across two texts belongs to neither
    return hashed, np.concatenate(([0], ends[:-1]))


def _candidates(signatures: NDArray[np.uint32], codes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Give pairs of texts of different groups that share a band and differ in few bits, each pair once."""
    random = np.random.default_rng(1)
    weights = random.integers(0, 2**63, _WIDTH, dtype=np.uint64) | np.uint64(1)
    bits = np.packbits(signatures & 1, axis=0).T.copy().view(np.uint64)
    done = np.zeros(len(codes), dtype=np.int64)
    found = [np.empty(0, dtype=np.int64)]
    for _ in range(_BANDS):
        band = signatures[random.choice(_HASHES, _WIDTH, replace=False)]
        for one, other in _in_one_bucket(weights @ band):
            wanted = (codes[one] != codes[other]) & (done[other] < _ENOUGH)
            one, other = one[wanted], other[wanted]
            near = np.bitwise_count(bits[one] ^ bits[other]).sum(axis=1) <= _FARTHEST
            np.add.at(done, other[near], 1)
            found.append(one[near] * len(codes) + other[near])
    for pair in np.unique(np.concatenate(found)).tolist():
        yield divmod(pair, len(codes))


def _in_one_bucket(keys: NDArray[np.uint64]) -> Iterator[tuple[_Positions, _Positions]]:
    """Give positions with the same key, each with its next few."""
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    at = np.arange(len(keys))
    for step in range(1, _NEIGHBOURS + 1):
        at = at[at + step < len(keys)]
        at = at[ranked[at] == ranked[at + step]]
        yield order[at], order[at + step]
