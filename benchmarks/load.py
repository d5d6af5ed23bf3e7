"""A load test: many clients at a real `web serve`, while its index is rebuilt from an edited sheet and swapped.

Run: python benchmarks/load.py [--clients 64] [--seconds 60] [--edits 4] [--sheet data/qa.csv] [--encoder minilm]
Each client keeps its connection and sends its next message when the last one is answered; nearly every message is a
new one, so that it is encoded. An error is anything but a 200 with a decision. The exit code is 1 where one happened.
"""

import argparse
import asyncio
import contextlib
import csv
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND = "from {0}.cli import main; main(prog_name='{0}')"


@dataclass
class Seen:
    """What came back."""

    ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    generations: Counter[int] = field(default_factory=Counter)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--edits", type=int, default=4, help="how often the sheet is edited and the index rebuilt")
    parser.add_argument("--sheet", type=Path, default=Path("data/qa.csv"))
    parser.add_argument("--encoder", default="minilm")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sheet, index = Path(folder) / "qa.csv", Path(folder) / "index"
        shutil.copy(arguments.sheet, sheet)
        subprocess.run(
            build(sheet, index, arguments.encoder), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with serving(index) as (process, port):
            before = memory(process.pid)
            seen = asyncio.run(run(port, sheet, index, arguments))
            report(seen, arguments.seconds, before, memory(process.pid))
    raise SystemExit(1 if seen.errors else 0)


def build(sheet: Path, index: Path, encoder: str) -> list[str]:
    """Give the command that brings the index up to date."""
    program = [sys.executable, "-c", COMMAND.format("indexer")]
    return [*program, "build", str(sheet), "--out", str(index), "--encoder", encoder]


@contextlib.contextmanager
def serving(index: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start `web serve` without limits (all clients have one address) and with a journal; stop it as people do."""
    log = index.with_name("stderr")
    chosen = {"MUNDAP_PER_CLIENT": "off", "MUNDAP_JOURNAL": str(index.with_name("journal.db"))}
    command = [sys.executable, "-c", COMMAND.format("web"), "serve", "--index", str(index), "--port", "0"]
    with log.open("w") as err, subprocess.Popen(command, stderr=err, env={**os.environ, **chosen}) as process:
        try:
            yield process, listening(process, log)
            process.terminate()
            print(f"exit code {process.wait(30)} on SIGTERM")
        finally:
            process.kill()


def listening(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait for the line that names the port."""
    while process.poll() is None:
        if found := re.search(r"Listening on http://[^:]+:(\d+)", log.read_text()):
            return int(found[1])
        time.sleep(0.05)
    raise SystemExit(log.read_text())


async def run(port: int, sheet: Path, index: Path, arguments: argparse.Namespace) -> Seen:
    """Let the clients ask, and edit the sheet meanwhile."""
    seen, messages = Seen(), made(sheet)
    until = time.perf_counter() + arguments.seconds
    editing = asyncio.create_task(edit(sheet, index, arguments))
    await asyncio.gather(*(client(port, messages, until, seen) for _ in range(arguments.clients)))
    await editing
    return seen


def made(sheet: Path) -> Iterator[str]:
    """Make messages out of the sheet's questions that it does not hold."""
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        questions = [row["question"].rstrip("?") for row in csv.DictReader(file)]
    return (f"{question} {number}" for number in itertools.count() for question in questions)


async def edit(sheet: Path, index: Path, arguments: argparse.Namespace) -> None:
    """Change an answer and add a question, build the index anew, and so on."""
    for number in range(arguments.edits):
        await asyncio.sleep(arguments.seconds / (arguments.edits + 1))
        with sheet.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        added = dict.fromkeys(rows[0], "") | {"id": f"load{number}", "question": f"How loud is edit {number}?"}
        added["answer"] = rows[number]["answer"] = f"Edited {number} times."
        with sheet.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows([*rows, added])
        building = await asyncio.create_subprocess_exec(
            *build(sheet, index, arguments.encoder),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        if await building.wait():
            raise SystemExit("the index could not be rebuilt")


async def client(port: int, messages: Iterator[str], until: float, seen: Seen) -> None:
    """Send one message after the other on one connection."""
    streams = None
    while (started := time.perf_counter()) < until:
        try:
            streams = streams or await asyncio.open_connection("127.0.0.1", port)
            status, body = await exchange(*streams, next(messages))
        except (OSError, asyncio.IncompleteReadError) as error:
            status, body, streams = 0, {}, None
            seen.errors[type(error).__name__] += 1
            continue
        if status != 200 or "decision" not in body:
            seen.errors[f"{status} {body.get('error', {}).get('code', '')}"] += 1
            continue
        seen.ms.append((time.perf_counter() - started) * 1e3)
        seen.generations[body["trace"].get("generation", 0)] += 1
    if streams:
        streams[1].close()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: str) -> tuple[int, Any]:
    """Ask and read the answer; give its status and its JSON."""
    content = json.dumps({"message": message}).encode()
    head = "POST /api/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    answered = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(answered.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return int(answered.split(b" ", 2)[1]), json.loads(await reader.readexactly(length))


def memory(pid: int) -> str:
    """Give the resident memory of a process."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return f"{int(found[1]) / 1024:.0f} MB" if found else "unknown"
    return "unknown"


def report(seen: Seen, seconds: float, before: str, after: str) -> None:
    """Print the figures."""
    cuts = statistics.quantiles(seen.ms, n=100) if len(seen.ms) > 1 else [0.0] * 99
    print(f"answers      {len(seen.ms)} ({len(seen.ms) / seconds:.0f} a second)")
    print(
        f"milliseconds p50 {cuts[49]:.0f}, p95 {cuts[94]:.0f}, p99 {cuts[98]:.0f}, most {max(seen.ms, default=0):.0f}"
    )
    print(f"errors       {seen.errors.total()} {dict(seen.errors) or ''}")
    print(f"generations  {', '.join(f'{number}: {count}' for number, count in sorted(seen.generations.items()))}")
    print(f"memory       {before} before, {after} after")


if __name__ == "__main__":
    main()
