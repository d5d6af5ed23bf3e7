"""What an encoder knows of Korean and across languages: similarity, translations, our crossing set, worn messages.

Run: python benchmarks/bilingual.py [--encoder bilingual] [--split dev] [--packs ../shared/data] [--part NAME ...]
KorSTS and its Korean-English form are the dev parts; translations are found among all others of their file; the
crossing set (data/crossing.csv) is asked of data/qa.csv in the answer's language alone, `avoid` of the whole sheet;
worn messages are the Korean ones of data/queries.csv as `indexer.perturb` writes them. `--part taught`, by name alone,
counts the sentences of the translations among what the student was taught with.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import sheets

from bot.student import lessons
from indexer.build import build_index
from indexer.encoders import Encoder, load_encoder
from indexer.evaluate import Result, run_queries
from indexer.index import Index
from indexer.perturb import KINDS, perturbed
from indexer.queries import read_queries
from indexer.sts import read_pairs, spearman
from indexer.words import has_hangul

PAIRS = ("ko_korsts/dev.tsv", "xl_sts/dev.tsv", "en_stsb/dev.tsv")
# Students before the present one were taught with jhe and news, and are not to be judged by these.
TRANSLATIONS = {"dev": ("korsts_dev", "jhe_dev", "news_dev"), "test": ("tatoeba_test", "jhe_eval", "news_test")}
PARTS = ("similarity", "translations", "taught", "crossing", "worn", "speed")
KIND_OF_SHEET = {"avoid": "", "en-ko": "ko", "ko-en": "en"}  # language of the rows that are kept


def main() -> None:
    """Print the figures, a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packs", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", default="bilingual")
    parser.add_argument("--split", default="dev", choices=["dev", "test"])
    parser.add_argument("--part", action="append", choices=PARTS)
    arguments = parser.parse_args()
    wanted = arguments.part or [part for part in PARTS if part != "taught"]
    encoder = load_encoder(arguments.encoder)
    if "similarity" in wanted:
        show(similarity(encoder, arguments.packs))
    if "translations" in wanted:
        show(translations(encoder, arguments.packs, arguments.split))
    if "taught" in wanted:
        show(taught(arguments.packs))
    if "crossing" in wanted:
        show(crossing(arguments.encoder, arguments.split))
    if "worn" in wanted:
        show(worn(arguments.encoder, arguments.split))
    if "speed" in wanted:
        show(speed(encoder))


def show(lines: Iterator[str]) -> None:
    """Print lines as they come."""
    for line in lines:
        print(line, flush=True)


def similarity(encoder: Encoder, packs: Path) -> Iterator[str]:
    """Compare the cosines of pairs with what people said."""
    for name in PAIRS:
        pairs = read_pairs(packs / name)
        cosines = (encoder.encode(pairs.one) * encoder.encode(pairs.other)).sum(axis=1)
        yield f"similarity  {name:20} Spearman {spearman(cosines, pairs.scores):.3f}"


def translations(encoder: Encoder, packs: Path, split: str) -> Iterator[str]:
    """Find each sentence's translation among all of its file."""
    for name in TRANSLATIONS[split]:
        rows = sheets.translations(packs, name)
        korean, english = (encoder.encode([row[side] for row in rows]) for side in (0, 1))
        cosines = korean @ english.T
        own = np.arange(len(rows))
        there, back = ((found.argmax(axis=1) == own).mean() for found in (cosines, cosines.T))
        yield f"translation {name:20} R@1 ko to en {there:.3f}  en to ko {back:.3f}  ({len(rows)})"


def taught(packs: Path) -> Iterator[str]:
    """Count the sentences of the translations that the student was taught with, but for spaces and capitals."""
    weights = lessons.read_weights(Path("docs/models/sources.csv"))
    files = (packs / "bilingual/pairs.tsv.gz", packs / "xl_parallel/stylekqc_train.tsv", Path("data/lessons.tsv"))
    pairs = [pair for file in files for pair in lessons.read_pairs(file, weights)]
    known = {plain(text) for pair in pairs for text in (pair.korean, pair.english)}
    for name in (name for names in TRANSLATIONS.values() for name in names):
        rows = sheets.translations(packs, name)
        yield f"taught      {name:20} {sum(any(plain(text) in known for text in row) for row in rows)} of {len(rows)}"


def plain(text: str) -> str:
    """Take spaces and capitals away."""
    return "".join(text.casefold().split())


def crossing(encoder: str, split: str) -> Iterator[str]:
    """Ask the crossing set, by its kinds."""
    for kind, lang in KIND_OF_SHEET.items():
        queries = sheets.crossing(split, kind)
        with tempfile.TemporaryDirectory() as folder:
            sheet = sheets.written(sheets.own_rows(lang), Path(folder) / "sheet.csv")
            for mode in ("lexical", "dense", "hybrid"):
                build_index(sheet, Path(folder) / "index", encoder, retrieval=mode)
                results = run_queries(Index.open(Path(folder) / "index"), queries)
                yield f"crossing    {kind:8} {mode:11} {ranking(results)}"


def worn(encoder: str, split: str) -> Iterator[str]:
    """Ask Korean messages as they are and worn, each kind beside the same messages unworn."""
    queries = [
        query
        for query in read_queries("data/queries.csv", "data/qrels.csv")
        if query.fields["split"] == split and query.on_topic and has_hangul(query.text)
    ]
    with tempfile.TemporaryDirectory() as folder:
        build_index(Path("data/qa.csv"), Path(folder), encoder)
        index = Index.open(Path(folder))
        whole = run_queries(index, queries)
        for kind in KINDS:
            found = perturbed([query.text for query in queries], kind)
            results = run_queries(index, [replace(queries[at], text=text) for at, text in found])
            before = ranking([whole[at] for at, _ in found])
            yield f"worn        {kind:16} {before}  then {ranking(results)}"


def ranking(results: Sequence[Result]) -> str:
    """Say how many have a right entry first, and among the first five."""
    first, five = (np.mean([result.right(k) for result in results]) if results else 0.0 for k in (1, 5))
    return f"R@1 {first:.3f} R@5 {five:.3f} ({len(results)})"


def speed(encoder: Encoder) -> Iterator[str]:
    """Time encoding, in bulk and alone, for each language; medians of five."""
    for lang in ("en", "ko"):
        texts = [row["question"] for row in sheets.own_rows(lang)][:500]
        encoder.encode(texts[:50])
        bulk, alone = [], []
        for _ in range(5):
            start = time.perf_counter()
            encoder.encode(texts)
            bulk.append(len(texts) / (time.perf_counter() - start))
            start = time.perf_counter()
            for text in texts[:100]:
                encoder.encode([text])
            alone.append((time.perf_counter() - start) * 10)
        yield f"speed       {lang:20} {np.median(bulk):.0f} texts/s in bulk, {np.median(alone):.2f} ms alone"


if __name__ == "__main__":
    main()
