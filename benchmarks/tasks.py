"""What `bot train` reaches on public data, by its own commands, against the simplest guess.

Run: python benchmarks/tasks.py [NAME ...] [--packs ../shared/data] [--out /tmp/mundap-tasks]
Each line is measured on the dev part, by which the best step was chosen too. XQuAD-en has no parts: its passages are
parted here, a fifth of them for dev, so that no passage is on both sides. What was trained already is read again.
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

from bot.learning.rows import read_delimited, read_objects
from bot.tasks.read import f1


@dataclass(frozen=True)
class Run:
    """A task, its two files and options."""

    task: str
    train: str
    dev: str
    options: Sequence[str]
    guess: Callable[[Path, Path], float] | None = None


def commonest(train: Path, dev: Path) -> float:
    """Guess the commonest label of the training part."""
    label = Counter(row["label"] for row in rows_of(train)).most_common(1)[0][0]
    dev_rows = rows_of(dev)
    return sum(1.0 for row in dev_rows if row["label"] == label) / len(dev_rows)


def most_alike(_: Path, dev: Path) -> float:
    """Answer each question with the sentence of the passage that shares most of its words."""
    found = []
    for row in rows_of(dev):
        asked = set(re.findall(r"\w+", row["question"].casefold()))
        sentences = re.split(r"(?<=[.!?])\s+", row["context"])
        best = max(sentences, key=lambda text: len(asked & set(re.findall(r"\w+", text.casefold()))))
        found.append(max(f1(best, text, characters=False) for text, _ in row["answers"]))
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
    "xquad": Run("read", "en_xquad/qa.jsonl", "", ("--epochs", "8", "--rate", "1e-4"), most_alike),
    "korsts": Run(
        "pair", "ko_korsts/train.tsv", "ko_korsts/dev.tsv", (*BILINGUAL, "--rate", "1e-4", "--max-length", "64")
    ),
    "nsmc": Run(
        "classify", "ko_nsmc/train.jsonl", "ko_nsmc/dev.jsonl",
        (*BILINGUAL, "--epochs", "2", "--rate", "1e-4", "--max-length", "64"), commonest,
    ),
    "kluener": Run(
        "tag", "ko_kluener/train.jsonl", "ko_kluener/dev.jsonl",
        (*BILINGUAL, "--epochs", "4", "--rate", "2e-4", "--max-length", "96"),
    ),
    "xnli": Run(
        "pair", "ko_xnli/test.tsv", "ko_xnli/dev.tsv", (*BILINGUAL, "--rate", "1e-4", "--max-length", "96"), commonest
    ),
}  # fmt: skip


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
    print(f"{'data':10} {'task':9} {'score':10} {'untrained':>9} {'trained':>8} {'guess':>6}")
    for name in arguments.names:
        run = RUNS[name]
        train, dev = parts(name, arguments.packs, arguments.out)
        found = trained(run, train, dev, arguments.out / name)
        guess = f"{run.guess(train, dev):6.3f}" if run.guess else "     -"
        score = next(iter(found["after"]))
        figures = f"{found['before'][score]:9.3f} {found['after'][score]:8.3f}"
        print(f"{name:10} {run.task:9} {score:10} {figures} {guess}", flush=True)


def parts(name: str, packs: Path, out: Path) -> tuple[Path, Path]:
    """Give the two files of a run; some are made."""
    run, folder = RUNS[name], out / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    if name == "clinc150":
        asked = [row for row in rows_of(packs / run.dev) if not row["oos"]]
        found = [{"question": row["query"], "group": row["groups"][0]} for row in asked]
        return packs / run.train, write_jsonl(found, folder / "clinc150.jsonl")
    if name == "xquad":
        held: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
        for row in rows_of(packs / run.train):
            held[hashlib.sha256(row["context"].encode()).digest()[0] % 5 == 0].append(row)
        train, dev = (write_jsonl(held[side], folder / f"xquad-{side}.jsonl") for side in (False, True))
        return train, dev
    return packs / run.train, packs / run.dev


def write_jsonl(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Write JSONL."""
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def trained(run: Run, train: Path, dev: Path, out: Path) -> dict[str, Any]:
    """Run the command, and read what it has left; a folder of other data or options is made anew."""
    bot = Path(sys.executable).with_name("bot")
    command = [bot, "train", run.task, "--train", train, "--dev", dev, "--out", out, *QUICK, *run.options]
    said, record = out / "command.txt", out / "run.json"
    line = " ".join(map(str, command))
    if not (record.exists() and said.exists() and said.read_text("utf-8") == line):
        shutil.rmtree(out, ignore_errors=True)
        subprocess.run(list(map(str, command)), check=True, stdout=sys.stderr)
        said.write_text(line, encoding="utf-8")
    found: dict[str, Any] = json.loads(record.read_text("utf-8"))
    return found


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Read JSONL, or TSV with a header."""
    return [dict(row) for _, row in (read_objects if path.suffix == ".jsonl" else read_delimited)(path)]


if __name__ == "__main__":
    main()
