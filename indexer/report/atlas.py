"""The report's map: the sheet's wordings in two dimensions, and the messages that were missed."""

from collections.abc import Iterator, Sequence

import numpy as np

from indexer import drawing
from indexer.encoders import reads_hangul
from indexer.evaluate import Result
from indexer.index import Index
from indexer.report import measures
from indexer.report.figures import Figure, Sentences, percent
from indexer.row import Row
from indexer.vectors import Vectors
from indexer.words import has_hangul

MOST_WORDINGS, MOST_MISSED = 2000, 120


def draw(results: Sequence[Result], index: Index, rows: Sequence[Row], t: Sentences) -> Figure | str:
    """Draw the wordings along their principal components, and join each missed message to its entry."""
    readable = [at for at, row in enumerate(rows) if _readable(index, row.question)]
    if len(readable) < 3:
        return t["no_map"]
    missed, asked, goals = _missed(results, index, rows, readable)
    shown = sorted({*(readable[at] for at in _even(len(readable), MOST_WORDINGS)), *goals})
    vectors = np.asarray(index.legs.question_vectors[shown])
    mean, axes = measures.plane(vectors)
    wordings, messages = (vectors - mean) @ axes, (asked - mean) @ axes
    ends = wordings[np.searchsorted(shown, goals).astype(int)]
    frame = _frame(np.concatenate([wordings, messages]))
    hangul = [has_hangul(rows[at].question) for at in shown]
    marks = [*_clouds(frame, wordings, hangul), *_joined(frame, missed, messages.tolist(), ends.tolist())]
    variance = float(wordings.var(axis=0).sum() / max(vectors.var(axis=0).sum(), 1e-12))
    caption = t["map_caption"].format(shown=len(shown), all=len(rows), variance=percent(variance))
    if len(readable) < len(rows):
        caption += " " + t["map_unread"].format(encoder=index.facts.encoder)
    said = t["map_description"].format(shown=len(shown), missed=len(missed))
    svg = drawing.draw(frame, marks, t["map_chart"], said)
    return Figure(svg, t["map_chart"], caption, _legend(hangul, bool(missed), t))


def _clouds(frame: drawing.Frame, wordings: measures.Numbers, hangul: Sequence[bool]) -> Iterator[str]:
    for series, korean in ((1, False), (3, True)):
        yield drawing.cloud(frame, wordings[np.array(hangul) == korean].tolist(), series)


def _joined(
    frame: drawing.Frame, missed: Sequence[Result], messages: Sequence[drawing.Point], ends: Sequence[drawing.Point]
) -> Iterator[str]:
    """Draw all lines before the dots that stand on them."""
    for here, there in zip(messages, ends, strict=True):
        yield drawing.link(frame, here, there, 2)
    for result, here in zip(missed, messages, strict=True):
        yield drawing.dot(frame, here, 2, 4, result.query.text)


def _missed(
    results: Sequence[Result], index: Index, rows: Sequence[Row], readable: Sequence[int]
) -> tuple[list[Result], Vectors, list[int]]:
    """Give the missed messages that can be drawn, their vectors, and for each the row that it should have found.

    The encoder reads them and a wording of an entry that answers them; of its wordings the nearest is taken.
    """
    wordings: dict[str, list[int]] = {}
    for at in readable:
        wordings.setdefault(rows[at].entry, []).append(at)
    missed = [
        result
        for result in measures.missed(results)
        if _readable(index, result.query.text) and wordings.keys() & set(_right(result))
    ][:MOST_MISSED]
    vectors, goals = index.encoder.encode([result.query.text for result in missed]), []
    for result, vector in zip(missed, vectors, strict=True):
        positions = [at for name in _right(result) for at in wordings.get(name, [])]
        goals.append(positions[int((index.legs.question_vectors[positions] @ vector).argmax())])
    return missed, vectors, goals


def _right(result: Result) -> list[str]:
    return [name for name, value in result.relevant.items() if value > 0]


def _readable(index: Index, text: str) -> bool:
    return reads_hangul(index.facts.encoder) or not has_hangul(text)


def _even(count: int, most: int) -> list[int]:
    """Choose at most `most` of `count` positions, evenly, so that every part of the sheet is there."""
    chosen: list[int] = np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)).tolist()
    return chosen


def _frame(points: measures.Numbers) -> drawing.Frame:
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.03 * np.maximum(high - low, 1e-6)
    (left, foot), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    across, upright = drawing.Axis(left, right), drawing.Axis(foot, top)
    return drawing.Frame(across, upright, width=760, height=460, left=6, right=6, top=6, bottom=6)


def _legend(hangul: Sequence[bool], missed: bool, t: Sentences) -> list[tuple[int, str]]:
    names = [(1, t["map_wording"])] if not all(hangul) else []
    names += [(3, t["map_korean"])] if any(hangul) else []
    return [*names, (2, t["map_missed"])] if missed else names
