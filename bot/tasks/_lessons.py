"""What `similarity` gives sentence-transformers to learn from: columns of texts, and the loss that they allow."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bot.tasks._judging import vectors_of
from bot.tasks._wordings import Pair, Wording
from indexer.errors import UserError
from indexer.words import has_hangul

if TYPE_CHECKING:
    from indexer.vectors import Vectors


def lesson(model: Any, examples: Sequence[Any], options: Any, seed: int) -> tuple[dict[str, list[Any]], Any]:
    """Give the columns that sentence-transformers is to learn from, and the loss."""
    from sentence_transformers.sentence_transformer.losses import CoSENTLoss, MSELoss

    from bot.tasks._bi_encoder import EntryLoss

    if options.teacher:
        return taught(examples, options.teacher, model.get_embedding_dimension()), MSELoss(model)
    if isinstance(examples[0], Wording):
        vectors = vectors_of(model, [example.text for example in examples])
        return contrasts(examples, vectors, options.negatives, seed), EntryLoss(model, options.temperature)
    pairs = {"question": [pair.one for pair in examples], "positive": [pair.other for pair in examples]}
    if examples[0].score is None:
        return {**pairs, "label": [[at] for at in range(len(examples))]}, EntryLoss(model, options.temperature)
    columns = {"one": pairs["question"], "other": pairs["positive"], "score": [pair.score for pair in examples]}
    return columns, CoSENTLoss(model, scale=1 / options.temperature)


def contrasts(examples: Sequence[Wording], vectors: "Vectors", negatives: int, seed: int) -> dict[str, list[Any]]:
    """Give each wording with another of its entry, and with the nearest ones of other entries; labels are entries."""
    from bot.tasks._mining import hard_negatives

    draw = random.Random(seed)
    entries = [example.entry for example in examples]
    codes = {entry: code for code, entry in enumerate(dict.fromkeys(entries))}
    rows: dict[str, list[int]] = {}
    for at, entry in enumerate(entries):
        rows.setdefault(entry, []).append(at)
    wrong = hard_negatives(vectors, entries, negatives)
    fewest = min((len(found) for found in wrong), default=0)
    names = ["question", "positive", *(f"negative_{number}" for number in range(1, fewest + 1))]
    columns: dict[str, list[Any]] = {name: [] for name in [*names, "label"]}
    for at, entry in enumerate(entries):
        if siblings := [other for other in rows[entry] if other != at]:
            places = [at, draw.choice(siblings), *wrong[at][:fewest]]
            for name, place in zip(names, places, strict=True):
                columns[name].append(examples[place].text)
            columns["label"].append([codes[entries[place]] for place in places[1:]])
    return columns


def taught(examples: Sequence[Any], teacher: str, dim: int) -> dict[str, list[Any]]:
    """Give texts with the teacher's vectors; of a Korean text with one in another language, that one's for both.

    Raises:
        UserError: the teacher's vectors are of another length than the student's.
    """
    from indexer.encoders import load_encoder

    sides: list[tuple[str, ...]] = [
        (pair.one, pair.other) if isinstance(pair, Pair) else (pair.text,) for pair in examples
    ]
    texts = list(dict.fromkeys(text for texts in sides for text in texts))
    encoder = load_encoder(teacher, texts)
    if encoder.dim != dim:
        raise UserError(
            f"--teacher {teacher} has vectors of {encoder.dim} numbers, the student of {dim}. Name another."
        )
    vectors = dict(zip(texts, encoder.encode(texts).tolist(), strict=True))
    columns: dict[str, list[Any]] = {"one": [texts[0] for texts in sides]}
    if len(sides[0]) == 2:
        columns["other"] = [texts[1] for texts in sides]
    columns["label"] = [[vectors[source] for source in _sources(texts)] for texts in sides]
    if len(sides[0]) == 1:
        columns["label"] = [vectors for (vectors,) in columns["label"]]
    return columns


def _sources(texts: tuple[str, ...]) -> list[str]:
    """Name for each text the one whose vector it is to have."""
    foreign = [text for text in texts if not has_hangul(text)]
    return foreign * 2 if len(texts) == 2 and len(foreign) == 1 else list(texts)
