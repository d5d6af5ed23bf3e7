"""A light load generator, the same for all: load.py PORT CLIENTS SECONDS TEMPLATE MESSAGES.json; prints one JSON line.

Each client keeps its connection and sends its next message when the last one is answered. No message is sent twice.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

Outcome = tuple[float, bool]  # milliseconds, answered


def main() -> None:
    """Send messages until they or the seconds run out."""
    port, clients, seconds, template, path = sys.argv[1:]
    messages = json.loads(Path(path).read_text("utf-8"))
    print(json.dumps(asyncio.run(load(int(port), int(clients), float(seconds), template, messages))))


async def load(port: int, clients: int, seconds: float, template: str, messages: list[str]) -> dict[str, Any]:
    """Run the clients side by side; give each answer's milliseconds, the errors and the time it took."""
    requests = iter([request(template, message) for message in messages])
    started = time.perf_counter()
    each = await asyncio.gather(*(client(port, requests, started + seconds) for _ in range(clients)))
    took = time.perf_counter() - started
    outcomes = [outcome for outcomes in each for outcome in outcomes]
    answered = [milliseconds for milliseconds, ok in outcomes if ok]
    return {"seconds": took, "ms": answered, "errors": len(outcomes) - len(answered)}


def request(template: str, message: str) -> bytes:
    """Fill a template, such as `POST /ask {"message": %s}`."""
    verb, target, body = [*template.split(" ", 2), ""][:3]
    text = json.dumps(message)
    if "%s" in target or verb == "GET":
        path, _, value = template.split(" ", 1)[1].rpartition("=")
        target, body = f"{path}={quote(value.replace('%s', text))}", ""
    content = body.replace("%s", text).encode()
    head = f"{verb} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def client(port: int, requests: Iterator[bytes], until: float) -> list[Outcome]:
    """Send one request after the other."""
    outcomes: list[Outcome] = []
    streams = None
    for sent in requests:
        started = time.perf_counter()
        if started > until:
            break
        try:
            streams = streams or await asyncio.open_connection("127.0.0.1", port)
            status, keep = await exchange(*streams, sent)
        except (OSError, asyncio.IncompleteReadError):
            status, keep = 0, False
        outcomes.append(((time.perf_counter() - started) * 1e3, status == 200))
        if not keep and streams:
            streams[1].close()
            streams = None
    return outcomes


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> tuple[int, bool]:
    """Send a request and read its answer; give the status and whether the connection stays open."""
    writer.write(sent)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, length = head.partition(b"content-length:")
    if not length:
        raise OSError("an answer without a length")
    await reader.readexactly(int(length.split(b"\r\n", 1)[0]))
    return int(head.split(b" ", 2)[1]), b"connection: close" not in head


if __name__ == "__main__":
    main()
