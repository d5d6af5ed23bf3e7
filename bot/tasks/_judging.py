"""How well a bi-encoder does on dev: the right entry first, or the order of pairs."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.tasks._wordings import Wording, read_wordings
from indexer.errors import UserError

if TYPE_CHECKING:
    from indexer.vectors import Vectors

BATCH = 64  # texts encoded at a time


def of_pairs(model: Any, pairs: Sequence[Any]) -> tuple[str, float]:
    """Correlate cosines with scores by Spearman's; without scores, give the share of texts that find their other."""
    from indexer.sts import cosine, spearman

    one, other = (vectors_of(model, side) for side in ([pair.one for pair in pairs], [pair.other for pair in pairs]))
    if pairs[0].score is not None:
        return "spearman", spearman(cosine(one, other), [pair.score for pair in pairs])
    found = (one @ other.T).argmax(axis=1)
    return "recall@1", float(np.mean([pairs[at].other == pair.other for at, pair in zip(found, pairs, strict=True)]))


def recall(model: Any, asked: Sequence[Any], corpus: str, sheet: Sequence[Any]) -> float:
    """Give the share of questions whose nearest stored one, by exact cosine, is of a right entry."""
    from bot.tasks._mining import first_entries

    stored = _stored(asked, corpus, sheet)
    if stored is None:  # a sheet of its own: each wording looks for another among all
        return _among_themselves(model, asked)
    vectors, queries = (vectors_of(model, [found.text for found in texts]) for texts in (stored, asked))
    first = first_entries(queries, vectors, [wording.entry for wording in stored])
    entry_of = {wording.id: wording.entry for wording in stored}
    right = [
        {found.entry} if isinstance(found, Wording) else {entry_of.get(name, name) for name in found.right}
        for found in asked
    ]
    return sum(entry in entries for entry, entries in zip(first, right, strict=True)) / len(asked)


def _stored(asked: Sequence[Any], corpus: str, sheet: Sequence[Any]) -> Sequence[Wording] | None:
    """Give the wordings to search, less the very texts that are asked; None where they share no entry with dev."""
    texts = {found.text for found in asked if isinstance(found, Wording)}
    stored = [found for found in (_corpus(corpus) if corpus else sheet) if isinstance(found, Wording)]
    stored = [found for found in stored if found.text not in texts]
    known = {name for found in stored for name in (found.id, found.entry)}
    wanted = {name for found in asked for name in ([found.entry] if isinstance(found, Wording) else found.right)}
    if wanted & known:
        return stored
    if isinstance(asked[0], Wording):
        return None
    raise UserError(f"{asked[0].where}: no judged row or entry is in the sheet that is searched. Type: --corpus SHEET")


@cache
def _corpus(path: str) -> Sequence[Wording]:
    return read_wordings(Path(path))


def _among_themselves(model: Any, asked: Sequence[Wording]) -> float:
    entries = np.array([wording.entry for wording in asked])
    vectors = vectors_of(model, [wording.text for wording in asked])
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    paired = np.array([(entries == entry).sum() > 1 for entry in entries])
    if not paired.any():
        raise UserError(f"{asked[0].where}: no entry of dev has two wordings, or is in the sheet. Type: --corpus SHEET")
    return float((entries[scores.argmax(axis=1)] == entries)[paired].mean())


def vectors_of(model: Any, texts: Sequence[str]) -> "Vectors":
    """Encode texts to unit rows, (n, dim)."""
    found: Vectors = model.encode(list(texts), batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True)
    return found
