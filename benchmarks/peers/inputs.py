"""What a run asks of every rival: the sheets, the judged messages, and enough others for the load."""

import csv
import json
import random
from dataclasses import dataclass
from pathlib import Path

from .rivals import Rival

PACK, TIMED, CLIENTS = "en_clinc150", 300, (1, 16, 64)
Row = dict[str, str]


@dataclass(frozen=True)
class Job:
    """Where everything of a run lies."""

    envs: Path
    work: Path  # sheets, messages and indexes
    rows: int
    large: int  # rows of the sheet that is edited
    seconds: float  # of load for each number of clients

    def index(self, rival: Rival, kind: str) -> Path:
        """Name a rival's index."""
        return self.work / f"{rival.name.replace(' ', '_')}-{kind}"


def write_inputs(job: Job, packs: Path) -> None:
    """Write what every rival gets; rows and messages are drawn, since the pack is sorted by answer."""
    stored = read_rows(packs / PACK / "corpus.csv")
    random.Random(1).shuffle(stored)
    lines = (packs / PACK / "queries.jsonl").read_text("utf-8").splitlines()
    asked = [found for found in map(json.loads, lines) if not found["oos"]]
    random.Random(2).shuffle(asked)
    job.work.mkdir(parents=True, exist_ok=True)
    write_rows(job.work / "rows.csv", stored[: job.rows])
    write_rows(job.work / "large.csv", stored[: job.large])

    known = {row["question"].casefold().strip() for row in stored[: job.rows]}
    answers = {row["group"]: row["answer"] for row in stored}
    judged = {found["query"]: answers[found["groups"][0]] for found in asked}
    judged = {text: answer for text, answer in judged.items() if text.casefold().strip() not in known}
    timed = list(judged)[: TIMED + 20]
    others = [row["question"] for row in stored[job.rows :]]
    load = [text for text in dict.fromkeys([*judged, *others]) if text not in timed]
    load = [text for text in load if text.casefold().strip() not in known]
    texts = {
        "timed": timed,
        "expected": [judged[text] for text in timed[20:]],
        "texts": [row["question"] for row in stored[: job.rows]],
    }
    texts |= {f"load-{clients}": load[part :: len(CLIENTS)] for part, clients in enumerate(CLIENTS)}
    for name, found in texts.items():
        (job.work / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")


def read_rows(path: Path) -> list[Row]:
    """Read a sheet."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write a sheet."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", "question", "answer"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
