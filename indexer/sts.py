"""Semantic textual similarity: does the cosine of two sentences order pairs as people do?

Spearman's rank correlation of cosine and human score is the usual figure (Reimers and Gurevych 2019, arXiv:1908.10084).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexer.encoders import Encoder, load_encoder
from indexer.errors import UserError
from indexer.progress import Progress, silent
from indexer.significance import percentiles
from indexer.vectors import Vectors

SCORE, TEXTS = "score", ("sentence1", "sentence2")
SHARE = 256  # sentences encoded at a time
DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of sentences and how alike people found them."""

    one: tuple[str, ...]
    other: tuple[str, ...]
    scores: NDArray[np.float64]  # (pairs,)


def read_pairs(path: Path) -> Pairs:
    """Read a TSV with a header: sentence1, sentence2 (or else its first two columns) and score; quotes are text.

    Raises:
        UserError: a column is missing, a score is no number, or there are no two different scores to order by.
    """
    lines = _lines(path)
    _, header = next(lines, (0, [""]))
    at = _columns(path, [name.strip().casefold() for name in header])
    rows = []
    for number, cells in lines:
        if len(cells) != len(header):
            raise UserError(
                f"{path}, line {number}: {len(cells)} columns, but the header has {len(header)}. "
                "Separate them by one tab each, and leave no tab in a text."
            )
        rows.append((*(cells[column].strip() for column in at[:2]), _score(path, number, cells[at[2]])))
    if len({score for *_, score in rows}) < 2:
        raise UserError(f"{path} holds {len(rows)} pairs, and no two different scores: there is nothing to order by.")
    one, other, scores = zip(*rows, strict=True)
    return Pairs(one, other, np.array(scores, dtype=np.float64))


def measure(pairs: Pairs, spec: str, progress: Progress = silent) -> dict[str, Any]:
    """Correlate an encoder's cosines with the scores; the 95 % interval is of Spearman's figure, by bootstrap."""
    texts = list(dict.fromkeys([*pairs.one, *pairs.other]))
    progress(f"Preparing {spec}")
    vectors = dict(zip(texts, _encoded(load_encoder(spec, texts), texts, spec, progress), strict=True))
    one, other = (np.stack([vectors[text] for text in side]) for side in (pairs.one, pairs.other))
    cosines = cosine(one, other)
    return {
        "encoder": spec,
        "pairs": len(cosines),
        "spearman": round(spearman(cosines, pairs.scores), 4),
        "pearson": round(pearson(cosines, pairs.scores), 4),
        "interval": [round(end, 4) for end in spearman_interval(cosines, pairs.scores)],
    }


def cosine(one: Vectors, other: Vectors) -> NDArray[np.float64]:
    """Give the cosine of each pair of rows, (n,); rounded, so that what is equal stays a tie on every processor."""
    found: NDArray[np.float64] = np.vecdot(one, other).astype(np.float64).round(6)
    return found


def spearman(one: ArrayLike, other: ArrayLike) -> float:
    """Correlate ranks, ties at their mean rank (Spearman 1904, doi:10.2307/1412159)."""
    return pearson(_ranks(_codes(one)), _ranks(_codes(other)))


def pearson(one: ArrayLike, other: ArrayLike) -> float:
    """Correlate two columns (n,); 0 where one of them is all the same."""
    x, y = (np.asarray(column, dtype=np.float64) for column in (one, other))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / math.sqrt((x @ x) * (y @ y)))


def spearman_interval(
    one: ArrayLike, other: ArrayLike, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """Give the percentile bootstrap interval over pairs (Efron 1979, doi:10.1214/aos/1176344552)."""
    x, y = _codes(one), _codes(other)
    random = np.random.default_rng(seed)
    drawn = (random.integers(len(x), size=len(x)) for _ in range(draws))
    return percentiles([pearson(_ranks(x[at]), _ranks(y[at])) for at in drawn], level)


def render(measured: Sequence[dict[str, Any]]) -> str:
    """Set the figures in columns, an encoder a line."""
    width = max(len("encoder"), *(len(found["encoder"]) for found in measured))
    lines = [f"{'encoder':{width}}  pairs spearman   95 % interval   pearson"]
    for found in measured:
        low, high = found["interval"]
        lines.append(
            f"{found['encoder']:{width}} {found['pairs']:6} {found['spearman']:8.4f}  {low:6.3f} .. {high:6.3f} "
            f"{found['pearson']:8.4f}"
        )
    return "\n".join(lines)


def _codes(values: ArrayLike) -> NDArray[np.intp]:
    """Number the distinct values from the least, so that samples of them are ranked without sorting again."""
    codes: NDArray[np.intp] = np.unique(np.asarray(values), return_inverse=True)[1]
    return codes


def _ranks(codes: NDArray[np.intp]) -> NDArray[np.float64]:
    times = np.bincount(codes)
    ranks: NDArray[np.float64] = (np.cumsum(times) - (times - 1) / 2)[codes]
    return ranks


def _encoded(encoder: Encoder, texts: Sequence[str], spec: str, progress: Progress) -> Iterator[Vectors]:
    for start in range(0, len(texts), SHARE):
        progress(f"Encoding by {spec}", start, len(texts))
        yield from encoder.encode(texts[start : start + SHARE])
    progress(f"Encoding by {spec}", len(texts), len(texts))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.split("\t")


def _columns(path: Path, names: Sequence[str]) -> tuple[int, int, int]:
    found = f"found {', '.join(names) or 'an empty file'}"
    if SCORE not in names:
        raise UserError(f"{path}: no column {SCORE}, {found}. Expected a TSV with {', '.join(TEXTS)}, {SCORE}.")
    texts = TEXTS if set(TEXTS) <= set(names) else tuple(name for name in names if name != SCORE)[:2]
    if len(texts) < 2:
        raise UserError(f"{path}: two columns of text are needed, {found}. Name them {' and '.join(TEXTS)}.")
    return names.index(texts[0]), names.index(texts[1]), names.index(SCORE)


def _score(path: Path, number: int, cell: str) -> float:
    try:
        score = float(cell)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise UserError(f"{path}, line {number}: the score is {cell!r}, expected a number such as 3.5.")
    return score
