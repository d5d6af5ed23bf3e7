"""The ladder: the same sheet and messages on one encoder after the other, from counting letters to a hybrid index.

Each rung is built and measured in a folder of its own, and both are kept: who runs the ladder again, or goes on after
an interruption, waits only for what is new.
"""

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from indexer import drawing, fingerprint
from indexer import spec as specs
from indexer.build import build_index
from indexer.errors import UserError
from indexer.evaluate import DEPTH, Result, run_queries
from indexer.index import Index
from indexer.manifest import Manifest
from indexer.progress import Progress, silent
from indexer.queries import Query
from indexer.rerank import Reranked
from indexer.rerankers import Reranker, check_reranker, load_reranker
from indexer.retrieve import Retrieval
from indexer.significance import bootstrap, permutation

FIGURES = ("recall@1", "recall@5", "mrr@10")
BERT = "minilm"  # the BERT of the rungs that pool [CLS] and the mean; as it is a rung too, it is measured once


@dataclass(frozen=True, slots=True)
class Rung:
    """A name, and what is built for it."""

    name: str
    encoder: str
    retrieval: Retrieval
    reranker: str = ""  # spec, or none

    @property
    def home(self) -> str:
        """Name the folder of its index: a reranker reorders the hybrid one."""
        return "hybrid" if self.reranker else self.name


RUNGS = (
    Rung("tfidf", "tfidf", "dense"),
    Rung("word2vec-cbow", "word2vec?sg=0", "dense"),
    Rung("word2vec-skipgram", "word2vec?sg=1", "dense"),
    Rung("fasttext", "fasttext", "dense"),
    Rung("bert-cls", "{bert}pooling=cls", "dense"),
    Rung("bert-mean", "{bert}pooling=mean", "dense"),
    Rung("minilm", "minilm", "dense"),
    Rung("bilingual", "bilingual", "dense"),
    Rung("hybrid", "bilingual", "hybrid"),
)
NAMES = [rung.name for rung in RUNGS]
RERANKED = "+reranker"


def choose(names: Sequence[str] = (), bert: str = BERT, reranker: str = "") -> list[Rung]:
    """Give the named rungs, or all, lowest first; `bert` is the spec of the BERT to pool in two ways.

    Where a reranker is named, it is the last rung in any case, on the hybrid index.

    Raises:
        UserError: a name is unknown, the BERT's spec sets the pooling itself, or the reranker's is wrong.
    """
    for name in names:
        if name not in (*NAMES, *([RERANKED] if reranker else [])):
            raise UserError(
                f"there is no rung {name!r}: the rungs are {', '.join(NAMES)}, and {RERANKED} with --reranker SPEC."
            )
    if reranker:
        check_reranker(reranker)
    if "pooling" in specs.parse(bert).options:
        raise UserError(f"--bert {bert}: leave out pooling, since both [CLS] and the mean are measured.")
    start = f"{bert}{'&' if '?' in bert else '?'}"
    wanted = names or [name for name in NAMES if name != "bert-mean" or bert != BERT]
    chosen = [replace(rung, encoder=rung.encoder.format(bert=start)) for rung in RUNGS if rung.name in wanted]
    return [*chosen, replace(RUNGS[-1], name=RERANKED, reranker=reranker)] if reranker else chosen


def climb(
    sheet: Path, queries: Sequence[Query], out: Path, rungs: Sequence[Rung], progress: Progress = silent
) -> list[dict[str, Any]]:
    """Build and measure the rungs in folders of `out`, each compared with the measured rung before it.

    A rung that cannot be built has only "name" and "error"; p is the two-sided paired permutation test's.

    Raises:
        UserError: no message is on topic, or no rung could be measured.
    """
    judged = [query for query in queries if query.on_topic]
    if not judged:
        raise UserError("none of the messages is on topic, so there is nothing to find. Name others with --queries.")
    found: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    for rung in rungs:
        try:
            measured = _measured(rung, sheet, judged, out, progress)
        except UserError as error:
            found.append({"name": rung.name, "error": str(error)})
            continue
        found.append(_summed(rung, measured, before))
        before = {"name": rung.name, **measured}
    if not before:
        raise UserError(f"no rung could be measured. {found[0]['name']}: {found[0]['error']}")
    return found


def render(found: Sequence[dict[str, Any]]) -> str:
    """Set the measured rungs in columns: figures as fractions of 1 with their 95 % intervals, p of recall@1."""
    measured = [rung for rung in found if "error" not in rung]
    wide = max(len(rung["name"]) for rung in measured)
    lines = [
        f"{'':{wide}} " + " ".join(f"{name:^21}" for name in FIGURES) + f" {'p':>7} {'build s':>8} {'ms/query':>8}"
    ]
    for rung in measured:
        cells = " ".join(f"{rung[name]:.4f} {_bracket(rung['intervals'][name]):14}" for name in FIGURES)
        p = f"{rung['p']['recall@1']:.4f}" if "p" in rung else "-"
        times = f"{rung['build_seconds']:8.1f} {rung['ms_per_query']:8.2f}"
        lines.append(f"{rung['name']:{wide}} {cells} {p:>7} {times}")
    note = "p: recall@1 against the rung above it, paired permutation test. ms/query: messages in batches."
    return "\n".join([*lines, note])


def plot(found: Sequence[dict[str, Any]], title: str) -> str:
    """Draw the measured rungs as an SVG file: figures with their intervals, the best known way at the foot."""
    measured = [rung for rung in found if "error" not in rung]
    top = len(measured)
    places = [(float(top - at), rung) for at, rung in enumerate(measured)]
    frame = drawing.Frame(
        drawing.numbers(0, 1, "share of the messages", percent=True),
        drawing.Axis(0.4, top + 0.6, "", [(at, rung["name"]) for at, rung in places]),
        width=720, height=70 + 52 * top, left=148, right=28,
    )  # fmt: skip
    marks = []
    for at, rung in places:
        marks.append(drawing.bar(frame, rung["recall@1"], at + 0.22, 0.18, 1))
        for series, (name, lift) in enumerate(zip(FIGURES, (0.22, 0.0, -0.22), strict=True), 1):
            low, high = rung["intervals"][name]
            marks.append(drawing.whisker(frame, (low, at + lift), (high, at + lift), series))
            marks.append(drawing.dot(frame, (rung[name], at + lift), series, 4.5, f"{name} {rung[name]:.3f}"))
    described = "; ".join(f"{rung['name']} {rung['recall@1']:.3f}" for rung in measured)
    legend = [(series, name) for series, name in enumerate(FIGURES, 1)]
    return drawing.standalone(drawing.draw(frame, marks, title, f"recall@1 of each rung: {described}.", legend))


def _measured(rung: Rung, sheet: Path, queries: Sequence[Query], out: Path, progress: Progress) -> dict[str, Any]:
    """Give a rung's figures of each message and its times, from the file of an earlier run where they still hold."""
    folder, kept, home = out / rung.home, out / f"{rung.name}.json", out / f"{rung.home}.json"
    built = build_index(sheet, folder, rung.encoder, retrieval=rung.retrieval, progress=progress)
    if built.changed:  # told at once: after an interruption the index is there, and its seconds too
        _write(home, {"key": "", "build_seconds": round(built.seconds, 2)})
    reranker = load_reranker(rung.reranker) if rung.reranker else None
    key, old = _key(built.facts, queries, reranker.fingerprint if reranker else ""), _read(kept)
    if old.get("key") == key:
        return {**old, "cached": True}
    results, seconds = _run(folder, reranker, queries, progress)
    measured = {
        "key": key,
        "build_seconds": _read(home).get("build_seconds", round(built.seconds, 2)),
        "ms_per_query": round(1000 * seconds / len(queries), 3),
        "figures": {
            "recall@1": [float(result.right(1)) for result in results],
            "recall@5": [float(result.right(5)) for result in results],
            "mrr@10": [_reciprocal(result) for result in results],
        },
    }
    _write(kept, measured)
    return {**measured, "cached": False}


def _run(
    folder: Path, reranker: Reranker | None, queries: Sequence[Query], progress: Progress
) -> tuple[list[Result], float]:
    """Give the results of the messages and the seconds they took."""
    with closing(Index.open(folder)) as opened:
        index = Reranked(opened, reranker) if reranker else opened
        index.search([queries[0].text], DEPTH)  # opens the encoder and the caches, which is not the messages' time
        started = time.perf_counter()
        return run_queries(index, queries, progress), time.perf_counter() - started


def _summed(rung: Rung, measured: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Sum a rung up, and compare it with the one before, message by message."""
    figures = measured["figures"]
    found: dict[str, Any] = {"name": rung.name, "encoder": rung.encoder, "retrieval": rung.retrieval}
    found["reranker"] = rung.reranker or None
    found |= {name: round(sum(values) / len(values), 4) for name, values in figures.items()}
    found["intervals"] = {name: [round(end, 4) for end in bootstrap(values)] for name, values in figures.items()}
    if before:
        found["before"] = before["name"]
        found["p"] = {name: round(permutation(values, before["figures"][name]), 4) for name, values in figures.items()}
    return found | {name: measured[name] for name in ("build_seconds", "ms_per_query", "cached")}


def _key(facts: Manifest, queries: Sequence[Query], reranker: str) -> str:
    """Name what the figures depend on: the index's content, its encoder, the messages, a reranker's fingerprint."""
    index = [facts.digest, facts.corpus, facts.encoder, facts.fingerprint, facts.store, facts.retrieval]
    index += [reranker] if reranker else []  # so that figures kept without one still hold
    messages = [[query.id, query.text, dict(query.relevance), query.by_entry] for query in queries]
    return fingerprint.of_text(json.dumps([index, dict(facts.versions), messages], ensure_ascii=False))


def _read(path: Path) -> dict[str, Any]:
    """Read what an earlier run found; what cannot be read is measured again."""
    try:
        found: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, found: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found), encoding="utf-8")
    partial.replace(path)


def _reciprocal(result: Result) -> float:
    return next((1 / k for k in range(1, DEPTH + 1) if result.right(k)), 0.0)


def _bracket(interval: Sequence[float]) -> str:
    return f"({interval[0]:.3f}-{interval[1]:.3f})"
