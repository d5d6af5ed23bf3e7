"""When a calibration is kept, and when it is fitted anew: after an edit it stays, until too many rows have changed."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from indexer import manifest
from indexer.calibrate import RISK, fit
from indexer.cells import normalise
from indexer.confidence import Calibration, pair_of
from indexer.database import FILE as DATABASE
from indexer.database import Database
from indexer.encoders import Encoder, open_encoder
from indexer.errors import UserError
from indexer.fingerprint import of_text
from indexer.index import encoder_folder, generation_folder
from indexer.legs import Legs, open_legs
from indexer.manifest import Manifest
from indexer.progress import Progress, silent
from indexer.publish import Material, elsewhere, material, only_builder
from indexer.queries import Query, refuse_foreign
from indexer.rehearse import DEPTH, Trial
from indexer.retrieve import rank, speaking
from indexer.row import Row
from indexer.twins import twin

CHANGED = 0.05  # share of the rows from which on a calibration is fitted anew


def calibrate(
    folder: Path, queries: Sequence[Query] = (), risk: float | None = None, progress: Progress = silent
) -> Calibration:
    """Calibrate a published index, and publish it so; judged queries are kept for the next time.

    Without queries those of the last time are taken, and where there are none, the sheet alone.
    """
    if risk is not None and not 0.001 <= risk <= 0.5:
        raise UserError(f"--risk {risk}: give the share of answers that may be wrong, 0.001 to 0.5, such as 0.05.")
    facts = manifest.read(folder)
    with only_builder(folder), closing(Database(folder / DATABASE, readonly=False)) as database:
        rows = database.rows(facts.generation)
        if queries:
            refuse_foreign(queries, {row.id for row in rows} | {row.entry for row in rows})
            database.keep_judged(queries)
        before = calibration_of(facts)
        encoder = open_encoder(facts.encoder, encoder_folder(folder, facts.fingerprint))
        _encode_new(database, encoder, facts)
        made = material(database, facts, facts.dim, rows)
        legs = open_legs(generation_folder(folder, facts.generation), facts.store)
        progress("Calibrating")
        wanted = before.risk if risk is None and before else risk or RISK
        found = fit(made, legs, facts, judge_trials(legs, facts, rows, encoder, database.judged()), wanted)
        database.keep_calibrated(rows)
        replace(facts, calibration=found.to_dict()).write(folder)
    return found


def calibrated(
    out: Path,
    database: Database,
    encoder: Encoder,
    facts: Manifest,
    made: Material,
    rows: Sequence[Row],
    old: Manifest | None,
) -> Manifest:
    """Give a new generation the calibration of the one before, or fit it one."""
    before = calibration_of(old) if old else None
    if old and before and _measures_alike(old, facts) and database.changed_since(rows) <= CHANGED:
        return replace(facts, calibration=before.to_dict())
    legs = open_legs(generation_folder(out, facts.generation), facts.store)
    judged = judge_trials(legs, facts, rows, encoder, database.judged())
    found = fit(made, legs, facts, judged, before.risk if before else RISK)
    database.keep_calibrated(rows)
    return replace(facts, calibration=found.to_dict())


def calibration_of(facts: Manifest) -> Calibration | None:
    """Read a manifest's calibration; None where it has none, or one that another encoder or retrieval was given."""
    if not facts.calibration:
        return None
    found = Calibration.from_dict(facts.calibration)
    return found if found.made_for(facts.fingerprint, facts.retrieval) else None


def judge_trials(
    legs: Legs, facts: Manifest, rows: Sequence[Row], encoder: Encoder, queries: Sequence[Query]
) -> list[Trial]:
    """Search judged queries; those equal to a stored question are left out, since a rule decides them."""
    stored, entry_of = {normalise(row.question) for row in rows}, {row.id: row.entry for row in rows}
    asked = [query for query in queries if normalise(query.text) not in stored]
    found = []
    for query, vector in zip(asked, encoder.encode([query.text for query in asked]), strict=True):
        ranked = rank(legs, query.text, vector, DEPTH, *speaking(facts.retrieval, facts.encoder, query.text))
        relevant = {entry for entry, value in query.entries(entry_of).items() if value > 0}
        right = bool(ranked) and rows[ranked[0].position].entry in relevant
        questions = [rows[item.position].question for item in ranked]
        near = twin(query.text, questions, [item.rank_score for item in ranked])
        pair = pair_of(query.text, questions[0] if questions else query.text)
        found.append(Trial(query.text, ranked, right, bool(relevant), near, pair))
    return found


def _measures_alike(one: Manifest, other: Manifest) -> bool:
    """Tell whether two generations give the same message the same measures but for their rows."""
    return all(getattr(one, name) == getattr(other, name) for name in ("fingerprint", "retrieval", "morphology"))


def _encode_new(database: Database, encoder: Encoder, facts: Manifest) -> None:
    """Encode the built-in messages that an index of an earlier version does not know."""
    known = database.known_vectors(facts.fingerprint)
    names = {name: text for text in elsewhere(facts.encoder) if (name := of_text(text)) not in known}
    database.add_vectors(facts.fingerprint, list(names), encoder.encode(list(names.values())))
