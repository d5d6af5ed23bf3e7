"""A rival's server under load: answers a second, their times, and the processor time that they took."""

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import process
from .inputs import Job, Row, read_rows
from .load import request
from .results import percentile
from .rivals import HERE, Rival

WARM_UPS = 40


def load_server(job: Job, rival: Rival, clients: int) -> Any:
    """Measure a server under this many clients."""
    with process.server(rival, job.envs, job.index(rival, "rows")) as (port, pid):
        check(port, rival.request, read_rows(job.work / "rows.csv")[0])
        return under_load(port, pid, clients, job.seconds, rival.request, job.work / f"load-{clients}.json")


def check(port: int, template: str, row: Row) -> None:
    """Ask a stored question: a quick server that does not give its stored answer counts for nothing.

    Raises:
        FailedError: the answer is another one.
    """
    sent = request(template, row["question"]).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(sent)
        body = b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode("utf-8", "replace")
    if row["answer"] not in body:
        raise process.FailedError(f"the server does not give the stored answer: {body[-200:]!r}")


def under_load(port: int, pid: int, clients: int, seconds: float, template: str, messages: Path) -> Any:
    """Warm a server up, then load it.

    Raises:
        FailedError: a message was not answered.
    """
    texts = json.loads(messages.read_text("utf-8"))
    generate(port, clients, 60, template, texts[:WARM_UPS])
    used = process.cpu_seconds(pid)
    found = generate(port, clients, seconds, template, texts[WARM_UPS:])
    used = process.cpu_seconds(pid) - used
    milliseconds, errors = found["ms"], found["errors"]
    if errors or not milliseconds:
        raise process.FailedError(f"{errors} of {errors + len(milliseconds)} messages were not answered")
    return {
        "answers": len(milliseconds),
        "errors": errors,
        "answers_s": len(milliseconds) / found["seconds"],
        "answers_cpu_s": len(milliseconds) / max(used, 0.01),
        **{f"p{percent}_ms": percentile(milliseconds, percent) for percent in (50, 95, 99)},
    }


def generate(port: int, clients: int, seconds: float, template: str, texts: list[str]) -> Any:
    """Run the load generator in a process of its own."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(texts, file)
        file.flush()
        command = [sys.executable, HERE / "load.py", port, clients, seconds, template, file.name]
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=seconds + 300)
    return json.loads(done.stdout)
