"""How long the main jobs take on sheets of three sizes: check, build, edit and rebuild, open, one query.

Run: python benchmarks/times.py [SHEET ...] [--rows 100000] [--encoder minilm]    (default data/qa.csv and a
generated sheet). Each job is a process of its own, as a person starts it; one query is measured in a process.
"""

import argparse
import csv
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NOUNS = [
    "refund",
    "invoice",
    "certificate",
    "password",
    "lesson",
    "deadline",
    "coupon",
    "teacher",
    "subtitle",
    "account",
    "receipt",
    "quiz",
]
KOREAN = ["환불", "영수증", "수료증", "비밀번호", "강의", "마감", "쿠폰", "선생님", "자막", "계정", "결제", "퀴즈"]


def main() -> None:
    """Print one line for each sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheets", nargs="*", type=Path)
    parser.add_argument("--rows", type=int, default=100_000, help="size of the generated sheet; 0 for none")
    parser.add_argument("--encoder", default="minilm")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sheets = arguments.sheets or [Path("data/qa.csv")]
        if arguments.rows:
            sheets.append(generated(Path(folder) / f"generated-{arguments.rows}.csv", arguments.rows))
        print(
            f"{'sheet':28} {'rows':>7} {'check s':>8} {'build s':>8} {'rebuild s':>9} "
            f"{'open s':>7} {'p50 ms':>7} {'MB':>6}"
        )
        for sheet in sheets:
            print(
                measure(sheet, Path(folder) / f"index-{sheet.stem}-{sheet.parent.name}", arguments.encoder),
                flush=True,
            )


def generated(path: Path, rows: int) -> Path:
    """Write a sheet of short questions, half of them Korean, no two alike."""
    numbers = random.Random(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "question", "answer"])
        for row in range(rows):
            words = KOREAN if row % 2 else NOUNS
            picked = " ".join(numbers.sample(words, 3))
            question = f"{picked} {row}번은 어떻게 하나요?" if row % 2 else f"What about the {picked} number {row}?"
            writer.writerow([f"r{row}", question, f"Answer {row}: {picked}."])
    return path


def measure(sheet: Path, index: Path, encoder: str) -> str:
    """Time the jobs on one sheet."""
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.reader(file))
    copy = index.with_suffix(".csv")
    write(copy, table)
    check = timed("indexer.cli", "check", str(copy), "--json", expected=(0, 1))
    build = timed("indexer.cli", "build", str(copy), "--out", str(index), "--encoder", encoder)
    column = [name.casefold() for name in table[0]].index("question")
    table[len(table) // 2][column] += " (edited)"
    write(copy, table)
    rebuild = timed("indexer.cli", "build", str(copy), "--out", str(index), "--encoder", encoder)
    first = timed("indexer.cli", "search", "how do I get a refund", "--index", str(index), "--json")
    size = sum(path.stat().st_size for path in index.rglob("*") if path.is_file()) / 1e6
    return (
        f"{sheet.parent.name + '/' + sheet.name:28} {len(table) - 1:7} {check:8.2f} {build:8.1f} {rebuild:9.2f} "
        f"{first:7.2f} {query_time(index, table, column):7.2f} {size:6.0f}"
    )


def query_time(index: Path, table: list[list[str]], column: int) -> float:
    """Give the median of 200 searches in one process, in milliseconds."""
    from indexer.index import Index

    opened = Index.open(index)
    opened.search(["warm-up"])
    numbers = random.Random(2)
    times = []
    for row in numbers.choices(table[1:], k=200):
        text = " ".join(row[column].split()[:-1] or ["x"])
        started = time.perf_counter()
        opened.search([text])
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def timed(module: str, *arguments: str, expected: tuple[int, ...] = (0,)) -> float:
    """Run a command in a process of its own; give its seconds."""
    started = time.perf_counter()
    code = f"from {module} import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    if done.returncode not in expected:
        raise SystemExit(f"{arguments}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


def write(path: Path, table: list[list[str]]) -> None:
    """Write a sheet."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(table)


if __name__ == "__main__":
    main()
