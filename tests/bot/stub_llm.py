"""A server on loopback that speaks as an OpenAI-compatible one does: honest, or hostile in one of several ways."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENTRY = re.compile(r"^\[([^\]\n]+)\] ", re.MULTILINE)
Reply = Callable[[str, list[str]], str]  # a question and the ids in the prompt -> what is written


class Stub:
    """What the server does, and what it was asked."""

    def __init__(self, reply: Reply, mode: str = "honest") -> None:
        self.reply, self.mode = reply, mode
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.failing = 0  # of mode "500s", how many calls fail before one is answered
        self.let_go = threading.Event()
        self.closed = threading.Event()  # somebody hung up
        self.base = ""

    @property
    def spec(self) -> str:
        return f"openai:{self.base}?model=stub&timeout=5"


def prompt_of(body: dict[str, Any]) -> tuple[str, list[str]]:
    """The question of a prompt, and the ids of its entries."""
    told = body["messages"][-1]["content"]
    return told.rpartition("Question:\n")[2], ENTRY.findall(told)


def handler_of(stub: Stub) -> type[BaseHTTPRequestHandler]:  # noqa: C901 (a method for each manner)
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stub.asked.append(body)
            stub.keys.append(self.headers.get("Authorization", ""))
            try:
                getattr(self, f"be_{stub.mode.replace('-', '_')}")(stub.reply(*prompt_of(body)))
            except (BrokenPipeError, ConnectionResetError):
                stub.closed.set()

        def begin(self, status: int = 200, kind: str = "text/event-stream", **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def piece(self, text: str, finish: str | None = None) -> None:
            event = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()

        def be_honest(self, text: str) -> None:
            self.begin()
            for start in range(0, len(text), 7):
                self.piece(text[start : start + 7])
            self.piece("", "stop")
            self.wfile.write(b"data: [DONE]\n\n")

        def be_length(self, text: str) -> None:
            """There was no room for more."""
            self.begin()
            self.piece(text)
            self.piece("", "length")
            self.wfile.write(b"data: [DONE]\n\n")

        def be_whole(self, text: str) -> None:
            """Without streaming, whatever was asked."""
            said = {"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]}
            self.begin(kind="application/json")
            self.wfile.write(json.dumps(said).encode())

        def be_stalled(self, text: str) -> None:
            self.begin()
            self.piece(text[:5])
            stub.let_go.wait(60)

        def be_slow(self, text: str) -> None:
            """One sentence, then nothing until somebody hangs up or lets go."""
            self.begin()
            first = text[: text.index("]") + 2]
            self.piece(f"{first} And ")
            while not stub.let_go.wait(0.05):
                self.wfile.write(b": still here\n\n")
                self.wfile.flush()
            self.piece(text[len(first) :], "stop")

        def be_dripping(self, _text: str) -> None:
            self.begin()
            while not stub.let_go.wait(0.02):
                self.piece("a")

        def be_endless(self, _text: str) -> None:
            self.begin()
            for _ in range(200_000):
                self.piece("everything is free [1]. " * 40)

        def be_breathless(self, _text: str) -> None:
            """A sentence without an end."""
            self.begin()
            for _ in range(200_000):
                self.piece("and so on " * 40)

        def be_broken(self, text: str) -> None:
            """Half a sentence, and the line is cut."""
            self.begin()
            self.piece(text[: len(text) // 2])

        def be_garbage(self, _text: str) -> None:
            self.begin()
            self.wfile.write(b'data: {"choices": [{"delta": 7}]}\n\ndata: \xff\xfe not json\n\n\x00\x01\x02\n\n')

        def be_not_json(self, _text: str) -> None:
            self.begin(kind="text/html")
            self.wfile.write(b"<html>502 Bad Gateway</html>")

        def be_500(self, _text: str) -> None:
            self.begin(500, "application/json")

        def be_500s(self, text: str) -> None:
            if stub.failing:
                stub.failing -= 1
                self.be_500(text)
            else:
                self.be_honest(text)

        def be_busy(self, _text: str) -> None:
            self.begin(429, "application/json", Retry_After="30")

        def be_unauthorised(self, _text: str) -> None:
            self.begin(401, "application/json")

        def be_redirecting(self, _text: str) -> None:
            self.begin(307, "text/plain", Location="http://127.0.0.1:9/elsewhere")

    return Handler


@contextmanager
def serving(reply: Reply | str, mode: str = "honest") -> Iterator[Stub]:
    """Run the server; a text as reply is written whatever is asked."""
    stub = Stub((lambda _question, _ids: reply) if isinstance(reply, str) else reply, mode)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(stub))
    server.daemon_threads = True
    stub.base = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for what another thread is about to do."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
