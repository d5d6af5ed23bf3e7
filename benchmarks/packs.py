"""Figures of the three ways of retrieval on public packs and on data/qa.csv, side by side in one run.

Run: python benchmarks/packs.py [PACK ...] [--packs ../shared/data] [--encoder minilm] [--split dev] [--morphology kiwi]
A pack is a folder with corpus.csv and queries.jsonl. `own` is data/qa.csv with the messages of one split.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from indexer.build import build_index
from indexer.evaluate import Result, figures, run_queries
from indexer.index import Index
from indexer.queries import Query, read_queries

PACKS = (
    "own",
    "en_stackfaq",
    "en_covidqa",
    "en_snips",
    "en_banking77",
    "en_clinc150",
    "ko_parakqc",
    "ko_chatbot",
)
MODES = ("dense", "lexical", "hybrid")


def main() -> None:
    """Print a line for each pack and way of retrieval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=PACKS)
    parser.add_argument("--packs", type=Path, default=Path("../shared/data"))
    parser.add_argument("--morphology", default="none", choices=["none", "kiwi"])
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--split", default="dev", choices=["dev", "test"])
    arguments = parser.parse_args()
    print(
        f"{'pack':18} {'retrieval':8} {'queries':>7} {'R@1':>6} {'R@5':>6} {'MRR@10':>6} "
        f"{'off topic':>9} {'served':>6} {'refused':>7}"
    )
    for name in arguments.names:
        with tempfile.TemporaryDirectory() as folder:
            sheet, queries = load(name, arguments.packs, arguments.split)
            for mode in MODES:
                build_index(
                    sheet, Path(folder) / "index", arguments.encoder, retrieval=mode, morphology=arguments.morphology
                )
                results = run_queries(Index.open(Path(folder) / "index"), queries)
                for part, share in parts(name, results):
                    print(line(part, mode, share), flush=True)


def load(name: str, packs: Path, split: str) -> tuple[Path, list[Query]]:
    """Give a sheet and its judged queries."""
    if name != "own":
        return packs / name / "corpus.csv", read_queries(packs / name / "queries.jsonl")
    queries = read_queries("data/queries.csv", "data/qrels.csv")
    return Path("data/qa.csv"), [query for query in queries if query.fields["split"] == split]


def parts(name: str, results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """Split our own messages by language."""
    if name != "own":
        return [(name, list(results))]
    return [(f"own lang={lang}", [r for r in results if r.query.fields["lang"] == lang]) for lang in ("en", "ko")]


def line(name: str, mode: str, results: Sequence[Result]) -> str:
    """Write one line of the table."""
    found = figures(results)
    ranking = " ".join(f"{found[key]:6.3f}" for key in ("recall@1", "recall@5", "mrr@10"))
    refused = f"{found['off_topic_rejection']:7.3f}" if found["off_topic"] else "      -"
    return f"{name:18} {mode:8} {found['queries']:7} {ranking} {found['off_topic']:9} {found['served']:6.3f} {refused}"


if __name__ == "__main__":
    main()
