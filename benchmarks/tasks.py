"""What `bot train` reaches on public data, by its own commands, against the simplest guess.

Run: python benchmarks/tasks.py [NAME ...] [--packs ../shared/data] [--out /tmp/mundap-tasks]
Each line is measured on the dev part, by which the best step was chosen too. A pack without parts is parted here, a
fifth for dev, so that no passage (or text, or English sentence) is on both sides. `relate`, `lead`, `translate` and
`choose` learn from this project's own files. What was trained already is read again.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.learning.rows import read_delimited, read_objects
from bot.tasks._rouge import rouge_l
from bot.tasks.read import f1
from indexer import fingerprint


@dataclass(frozen=True)
class Run:
    """A task, its two files and options; a file without a dev part may be parted by a column.

    `guess` is computed from the two files, or is a figure that the task itself gives beside its score.
    """

    task: str
    train: str
    dev: str
    options: Sequence[str]
    guess: Callable[[Path, Path], float] | str = ""
    apart: str = ""


def commonest(train: Path, dev: Path) -> float:
    """Guess the commonest label of the training part."""
    label = Counter(row["label"] for row in rows_of(train)).most_common(1)[0][0]
    dev_rows = rows_of(dev)
    return sum(1.0 for row in dev_rows if row["label"] == label) / len(dev_rows)


def commonest_by_macro_f1(train: Path, dev: Path) -> float:
    """Guess the commonest label, judged as the mean F1 of all labels: that of every other one is 0."""
    share = commonest(train, dev)
    return 2 * share / (1 + share) / len({row["label"] for row in rows_of(dev)})


def most_alike(characters: bool) -> Callable[[Path, Path], float]:
    """Answer each question with the sentence of the passage that shares most of its words, or character pairs."""

    def parts(text: str) -> set[str]:
        words = set(re.findall(r"\w+", text.casefold()))
        return {word[at : at + 2] for word in words for at in range(len(word) - 1)} if characters else words

    def guess(_: Path, dev: Path) -> float:
        found = []
        for row in rows_of(dev):
            asked = parts(row["question"])
            sentences = re.split(r"(?<=[.!?])\s+", row["context"])
            best = max(sentences, key=lambda text: len(asked & parts(text)))
            found.append(max(f1(best, text, characters=characters) for text, _ in row["answers"]))
        return sum(found) / len(found)

    return guess


def remembered(train: Path, dev: Path) -> float:
    """Translate each sentence as the one that was learned from and shares most character trigrams with it."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    known, asked = rows_of(train), rows_of(dev)
    weigh = TfidfVectorizer(analyzer="char", ngram_range=(3, 3))
    table = weigh.fit_transform([row["source"] for row in known])
    nearest = np.asarray((weigh.transform([row["source"] for row in asked]) @ table.T).argmax(axis=1)).ravel()
    found = [rouge_l(known[int(at)]["target"], row["target"]) for at, row in zip(nearest, asked, strict=True)]
    return sum(found) / len(found)


BILINGUAL = ("--encoder", "bilingual")
QUICK = ("--batch", "32", "--patience", "0", "--bf16")
RUNS = {
    "sst2": Run(
        "classify", "en_sst2/train.jsonl", "en_sst2/dev.jsonl",
        ("--epochs", "2", "--rate", "1e-4", "--max-length", "64"), commonest,
    ),
    "clinc150": Run(
        "classify", "en_clinc150/corpus.csv", "en_clinc150/queries.jsonl",
        ("--text", "question", "--label", "group", "--epochs", "4", "--rate", "2e-4", "--max-length", "32"),
    ),
    "stsb": Run(
        "pair", "en_stsb/train.tsv", "en_stsb/dev.tsv", ("--epochs", "3", "--rate", "1e-4", "--max-length", "64")
    ),
    "wikiann": Run(
        "tag", "en_wikiann/train.jsonl", "en_wikiann/dev.jsonl",
        ("--epochs", "4", "--rate", "2e-4", "--max-length", "48", "--whole-words"),
    ),
    "wnut17": Run(
        "tag", "en_wnut17/train.jsonl", "en_wnut17/dev.jsonl",
        ("--epochs", "4", "--rate", "2e-4", "--max-length", "64", "--whole-words"),
    ),
    "xquad": Run(
        "read", "en_xquad/qa.jsonl", "", ("--epochs", "8", "--rate", "1e-4"), most_alike(False), apart="context"
    ),
    "relate": Run(
        "relate", "data/relations.jsonl", "data/relations-dev.jsonl",
        (*BILINGUAL, "--epochs", "12", "--rate", "2e-4"), commonest_by_macro_f1,
    ),
    "lead": Run("seq2seq", "data/qa.csv", "", BILINGUAL, "copy_rouge_l"),
    "korsts": Run(
        "pair", "ko_korsts/train.tsv", "ko_korsts/dev.tsv", (*BILINGUAL, "--rate", "1e-4", "--max-length", "64")
    ),
    "question_pair": Run(
        "pair", "ko_question_pair/train.tsv", "ko_question_pair/dev.tsv",
        (*BILINGUAL, "--rate", "1e-4", "--max-length", "64"),
    ),
    "xnli": Run(
        "pair", "ko_xnli/test.tsv", "ko_xnli/dev.tsv", (*BILINGUAL, "--rate", "1e-4", "--max-length", "96"), commonest
    ),
    "nsmc": Run(
        "classify", "ko_nsmc/train.jsonl", "ko_nsmc/dev.jsonl",
        (*BILINGUAL, "--epochs", "2", "--rate", "1e-4", "--max-length", "64"), commonest,
    ),
    "3i4k": Run(
        "classify", "ko_3i4k/train.jsonl", "",
        (*BILINGUAL, "--epochs", "3", "--rate", "1e-4", "--max-length", "48"), commonest, apart="text",
    ),
    "kluener": Run(
        "tag", "ko_kluener/train.jsonl", "ko_kluener/dev.jsonl",
        (*BILINGUAL, "--epochs", "4", "--rate", "2e-4", "--max-length", "96"),
    ),
    "korquad": Run(
        "read", "ko_korquad/qa.jsonl", "", (*BILINGUAL, "--epochs", "2", "--rate", "1e-4"), most_alike(True),
        apart="context",
    ),
    "translate": Run(
        "seq2seq", "data/lessons.tsv", "",
        (*BILINGUAL, "--epochs", "3", "--rate", "5e-4", "--max-length", "32", "--target-length", "32"),
        remembered, apart="target",
    ),
    "choose": Run(
        "choose", "data/lessons.tsv", "",
        (*BILINGUAL, "--search", "bilingual", "--limit", "12000", "--epochs", "1", "--max-length", "64"),
        "first_candidate", apart="answer",
    ),
}  # fmt: skip
ROOT = Path(__file__).parent.parent


def main() -> None:
    """Print each figure beside that of the untrained head and of the simplest guess."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(RUNS), help=", ".join(RUNS))
    parser.add_argument("--packs", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("/tmp/mundap-tasks"))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - RUNS.keys():
        parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(RUNS)}.")
    if not arguments.packs.is_dir():
        parser.error(f"{arguments.packs} is no folder. Name that of the public packs: --packs DIR")
    print(f"{'data':13} {'task':9} {'score':10} {'untrained':>9} {'trained':>8} {'guess':>6}")
    for name in arguments.names:
        run = RUNS[name]
        train, dev = parts(name, arguments.packs, arguments.out)
        found = trained(run, train, dev, arguments.out / name)
        score = next(iter(found["after"]))
        guess = run.guess(train, dev) if callable(run.guess) and dev else found["after"].get(run.guess)
        figures = f"{found['before'][score]:9.3f} {found['after'][score]:8.3f}"
        print(f"{name:13} {run.task:9} {score:10} {figures} {'-' if guess is None else f'{guess:.3f}':>6}", flush=True)


def parts(name: str, packs: Path, out: Path) -> tuple[Path, Path | None]:
    """Give the two files of a run; some are made, and None lets the task hold out a tenth."""
    run, folder = RUNS[name], out / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    train, dev = (ROOT / file if file.startswith("data/") else packs / file for file in (run.train, run.dev))
    if name == "clinc150":
        asked = [row for row in rows_of(dev) if not row["oos"]]
        found = [{"question": row["query"], "group": row["groups"][0]} for row in asked]
        return train, write_jsonl(found, folder / "clinc150.jsonl")
    if run.apart:
        held: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
        for row in lessons(train, run.task) if train.name == "lessons.tsv" else rows_of(train):
            held[hashlib.sha256(str(row[run.apart]).encode()).digest()[0] % 5 == 0].append(row)
        one, other = (write_jsonl(held[side], folder / f"{name}-{side}.jsonl") for side in (False, True))
        return one, other
    return train, dev if run.dev else None


def lessons(path: Path, task: str) -> list[dict[str, Any]]:
    """Give our own help-desk lessons: what to translate, or a sheet with an entry for each English sentence."""
    own = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    helps = [(korean, english) for korean, english, source in own if source == "own_help"]
    if task == "seq2seq":
        return [{"source": korean, "target": english} for korean, english in helps]
    wordings = [*helps, *((english, english) for english in dict.fromkeys(english for _, english in helps))]
    return [{"question": wording, "answer": english} for wording, english in wordings]


def write_jsonl(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Write JSONL."""
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def trained(run: Run, train: Path, dev: Path | None, out: Path) -> dict[str, Any]:
    """Run the command, and read what it has left; one of other data, options or Korean weights is made anew."""
    bot = Path(sys.executable).with_name("bot")
    judged = ["--dev", dev] if dev else []
    command = [bot, "train", run.task, "--train", train, *judged, "--out", out, *QUICK, *run.options]
    said, record = out / "command.txt", out / "run.json"
    read = [train, *([dev] if dev else []), ROOT / "indexer/weights/korean.safetensors"]
    made_from = "\n".join([" ".join(map(str, command)), *map(fingerprint.of_file, read)])
    if not (record.exists() and said.exists() and said.read_text("utf-8") == made_from):
        shutil.rmtree(out, ignore_errors=True)
        subprocess.run(list(map(str, command)), check=True, stdout=sys.stderr)
        said.write_text(made_from, encoding="utf-8")
    found: dict[str, Any] = json.loads(record.read_text("utf-8"))
    return found


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Read JSONL, or TSV with a header."""
    return [dict(row) for _, row in (read_objects if path.suffix == ".jsonl" else read_delimited)(path)]


if __name__ == "__main__":
    main()
