"""Lessons: pairs of a Korean and an English sentence, and the teacher's vector of the English one."""

import csv
import gzip
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer import fingerprint
from indexer.encoders import Encoder
from indexer.errors import UserError
from indexer.progress import Progress, silent
from indexer.words import has_hangul

LONGEST = 180  # characters; what is longer is a paragraph and slows every batch
RATIO = (0.15, 1.6)  # Korean characters for each English one; what lies outside is seldom a translation
SHARE = 20_000  # texts encoded at a time; what is encoded is kept, so that an interrupted run goes on there


@dataclass(frozen=True, slots=True)
class Pair:
    """A Korean sentence, its English twin and where both are from."""

    korean: str
    english: str
    source: str


@dataclass(frozen=True, slots=True)
class Taught:
    """Pairs, and the teacher's vectors of their English sides (pairs, dim)."""

    pairs: Sequence[Pair]
    vectors: NDArray[np.float16]


def read_pairs(path: Path, weights: Mapping[str, float]) -> list[Pair]:
    """Read `korean TAB english TAB source`, plain or gzipped; sources of weight 0 are left out.

    Without a third column the file's name is the source. A header holds no Korean and is passed over, as is each pair
    that is no translation by its letters and lengths.

    Raises:
        UserError: a line has fewer columns, or no pair is left.
    """
    found = []
    for number, line in enumerate(_lines(path), 1):
        cells = [cell.strip() for cell in line.rstrip("\n").split("\t")]
        if len(cells) < 2:
            raise UserError(f"{path}, line {number}: one column; write: korean TAB english TAB source.")
        pair = Pair(cells[0], cells[1], cells[2] if len(cells) > 2 else path.stem)
        if weights.get(pair.source, 1.0) > 0 and _usable(pair):
            found.append(pair)
    if not found:
        raise UserError(f"{path} holds no usable pair: the first column must be Korean, the second English.")
    return found


def read_weights(path: Path) -> dict[str, float]:
    """Read `source,weight`: how often a pair of a source is shown against one of weight 1."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        weights = {row["source"]: float(row["weight"]) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: write the columns source,weight with a number in each row.") from error
    if wrong := [name for name, weight in weights.items() if not 0 <= weight < math.inf]:
        raise UserError(f"{path}: the weight of {wrong[0]} is {weights[wrong[0]]}; write 0 or more.")
    return weights


def draw(pairs: Sequence[Pair], weights: Mapping[str, float], count: int, seed: int) -> NDArray[np.int64]:
    """Choose which pairs are shown, in which order: each source in proportion to its pairs times its weight.

    Within a source every pair is shown as often as another, give or take one.
    """
    numbers = np.random.default_rng(seed)
    by_source: dict[str, list[int]] = {}
    for at, pair in enumerate(pairs):
        by_source.setdefault(pair.source, []).append(at)
    shares = {name: weights.get(name, 1.0) * len(places) for name, places in by_source.items()}
    whole = sum(shares.values())
    chosen = [
        _rounds(np.array(places, dtype=np.int64), round(count * shares[name] / whole), numbers)
        for name, places in sorted(by_source.items())
    ]
    return numbers.permutation(np.concatenate(chosen))


def teach(
    texts: Sequence[str], teacher: Encoder, name: str, folder: Path, progress: Progress = silent
) -> NDArray[np.float16]:
    """Give the teacher's vectors of texts (n, dim) in half precision; those in the folder are not asked for again."""
    folder = folder / fingerprint.of_text(name)[:16]
    folder.mkdir(parents=True, exist_ok=True)
    keys = [fingerprint.of_text(text)[:24] for text in texts]
    known = _kept(folder)
    missing = sorted({key: text for key, text in zip(keys, texts, strict=True) if key not in known}.items())
    for start in range(0, len(missing), SHARE):
        progress("Asking the teacher", start, len(missing))
        part = missing[start : start + SHARE]
        vectors = teacher.encode([text for _, text in part]).astype(np.float16)
        partial = folder / "partial"
        with partial.open("wb") as file:
            np.savez(file, keys=np.array([key for key, _ in part]), vectors=vectors)
        partial.rename(folder / f"{part[0][0]}.npz")
        known.update(zip((key for key, _ in part), vectors, strict=True))
    return np.stack([known[key] for key in keys])


def _kept(folder: Path) -> dict[str, NDArray[np.float16]]:
    found: dict[str, NDArray[np.float16]] = {}
    for file in sorted(folder.glob("*.npz")):
        with np.load(file, allow_pickle=False) as part:
            found.update(zip(part["keys"].tolist(), part["vectors"], strict=True))
    return found


def _rounds(places: NDArray[np.int64], count: int, numbers: np.random.Generator) -> NDArray[np.int64]:
    whole, rest = divmod(count, len(places))
    return np.concatenate([np.tile(places, whole), numbers.permutation(places)[:rest]])


def _usable(pair: Pair) -> bool:
    if not has_hangul(pair.korean) or has_hangul(pair.english) or not pair.english:
        return False
    ratio = len(pair.korean) / len(pair.english)
    return max(len(pair.korean), len(pair.english)) <= LONGEST and RATIO[0] <= ratio <= RATIO[1]


def _lines(path: Path) -> Iterator[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="\n") as file:
            yield from file
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise UserError(f"{path} cannot be read ({error}). Save it as UTF-8, or gzip it again.") from error
