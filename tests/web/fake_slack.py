"""A small Slack on loopback: it keeps what is posted, refuses broken blocks, and fails on demand."""

import hashlib
import hmac
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TOKEN = "xoxb-not-a-real-token"


def signature(body: str, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    """The headers with which Slack signs (v0)."""
    stamp = str(int(time.time() if at is None else at))
    made = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={made}"}


def objects(found: Any) -> Iterator[dict[str, Any]]:
    """Every object within blocks."""
    if isinstance(found, dict):
        yield found
    for inner in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from objects(inner)


def fault(blocks: list[dict[str, Any]]) -> str:
    """What Slack would refuse, by its published limits."""
    names = [one["action_id"] for block in blocks for one in objects(block.get("elements", [])) if "action_id" in one]
    if not 0 < len(blocks) <= 50 or len(names) != len(set(names)):
        return "blocks"
    limits = {"section": 3000, "button": 75}
    for one in objects(blocks):
        text = one.get("text")
        if isinstance(text, dict) and not 0 < len(text["text"].strip()) <= len(text["text"]) <= limits[one["type"]]:
            return f"text of {one['type']}"
        if not len(one.get("value", "")) <= 2000 or not len(one.get("accessibility_label", "")) <= 75:
            return "button"
        if one.get("type") == "context" and not 0 < len(one["elements"]) <= 10:
            return "context"
    return "" if len(json.dumps(blocks, ensure_ascii=False)) < 13_000 else "length"


class FakeSlack:
    """`plan[method]` says how the next calls fail: a status, an error's name, `lost` (not kept, connection cut),
    `unheard` (kept, connection cut) or `stall` (kept, no answer until `go_on`)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any], float]] = []
        self.posts: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []
        self.whispers: list[dict[str, Any]] = []  # at response URLs
        self.plan: dict[str, deque[str]] = {}
        self.go_on, self.stalled = threading.Event(), threading.Event()
        self._keeping = threading.Lock()
        outer = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.take(self)

            do_GET = do_POST  # noqa: N815  # the name that http.server calls

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.api = f"{self.base}/api/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def take(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        raw = request.rfile.read(int(request.headers.get("Content-Length") or 0)).decode()
        body = json.loads(raw) if raw.startswith("{") else dict(parse_qsl(raw or query))
        method = path.removeprefix("/api/").strip("/")
        with self._keeping:
            self.calls.append((method, body, time.monotonic()))
            plan = self.plan.get(method) or deque()
            trouble = plan.popleft() if plan else ""
        if path.startswith("/api/") and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            trouble = "invalid_auth"
        kept = trouble in ("", "unheard", "stall", "500 kept")
        answer = self.keep(method, body) if kept else {"ok": False, "error": trouble}
        if trouble == "stall":
            self.stalled.set()
            self.go_on.wait(60)
        if trouble in ("lost", "unheard", "stall"):
            request.close_connection = True
            return  # not one byte of an answer
        self.reply(request, trouble, answer)

    def reply(self, request: BaseHTTPRequestHandler, trouble: str, answer: dict[str, Any]) -> None:
        status = int(trouble[:3]) if trouble[:3].isdecimal() else 200
        payload = json.dumps(answer).encode() if status == 200 else b"trouble"
        request.send_response(status)
        if status == 429:
            request.send_header("Retry-After", trouble.split()[1])
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(payload)))
        request.end_headers()
        request.wfile.write(payload)

    def keep(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        if "blocks" in body and (wrong := fault(body["blocks"])):
            return {"ok": False, "error": "invalid_blocks", "wrong": wrong}
        with self._keeping:
            if method == "chat.postMessage":
                self.posts.append({**body, "ts": f"1700009999.{len(self.posts):06}"})
            elif method == "chat.update":
                self.updates.append(body)
            elif method == "conversations.replies":
                return self.replies(body)
            else:
                self.whispers.append(body)
        return {"ok": True}

    def replies(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Two messages a page, the first of the thread always, metadata only where they are asked for."""
        thread = [one for one in self.posts if one["channel"] == asked["channel"] and one["thread_ts"] == asked["ts"]]
        found = [{"ts": asked["ts"], "text": "a person's"}, *thread]
        start = int(asked.get("cursor") or 0)
        shown = [one if asked.get("include_all_metadata") == "1" else {"ts": one["ts"]} for one in found]
        more = str(start + 2) if start + 2 < len(found) else ""
        return {"ok": True, "messages": shown[start : start + 2], "response_metadata": {"next_cursor": more}}

    def count(self, method: str) -> int:
        return sum(name == method for name, _, _ in self.calls)

    def posted(self, number: int) -> list[dict[str, Any]]:
        """Wait for so many posts."""
        until(lambda: len(self.posts) >= number, f"{number} posts, there are {len(self.posts)}")
        return self.posts


def until(done: Callable[[], object], what: str = "that") -> None:
    """Wait until something is so."""
    for _ in range(6_000):
        if done():
            return
        time.sleep(0.005)
    raise AssertionError(f"waited in vain for {what}")
