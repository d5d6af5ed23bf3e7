"""How many requests a server should work on at once: answers a second and latency by the width of its gate.

Run: python benchmarks/serving.py [--sheet data/qa.csv] [--widths 1,2,4,8,16] [--seconds 5]
The server is a process of its own, the load another (benchmarks/peers/load.py), no message is sent twice to one
server. `alone` says what it costs to encode each message for itself instead of with those that wait.
"""

import argparse
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

LOAD = Path(__file__).with_name("peers") / "load.py"
CLIENTS = (1, 16, 64)
TEMPLATE = 'POST /api/ask {"message": %s}'


def main() -> None:
    """Print a line for each width, number of clients and way of encoding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheet", type=Path, default=Path("data/qa.csv"))
    parser.add_argument("--widths", default="1,2,4,8,16")
    parser.add_argument("--seconds", default="5")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)  # INDEX WIDTH alone|together
    arguments = parser.parse_args()
    if arguments.serve:
        serve(*arguments.serve)
        return
    print(f"{'width':>5} {'encoded':9} {'clients':>7} {'answers/s':>9} {'p50 ms':>7} {'p95 ms':>7} {'errors':>6}")
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        build(arguments.sheet, index)
        for width in arguments.widths.split(","):
            for encoded in ("together", "alone"):
                for clients in CLIENTS:
                    line = measure(index, width, encoded, clients, arguments.seconds)
                    print(f"{width:>5} {encoded:9} {clients:7} {line}", flush=True)


def build(sheet: Path, index: Path) -> None:
    """Build the index, and make messages of its questions that it does not hold."""
    from indexer.build import build_index
    from indexer.index import Index

    build_index(sheet, index)
    opened = Index.open(index)
    rows = opened.database.rows(opened.facts.generation)
    messages = [f"{row.question.rstrip('?')} {number}" for number in range(20) for row in rows]
    index.with_suffix(".json").write_text(json.dumps(messages), encoding="utf-8")


def measure(index: Path, width: str, encoded: str, clients: int, seconds: str) -> str:
    """Start a server, load it, stop it."""
    command = [sys.executable, __file__, "--serve", str(index), width, encoded]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        wait(port)
        loaded = [sys.executable, str(LOAD), port, str(clients), seconds, TEMPLATE, str(index.with_suffix(".json"))]
        found = json.loads(subprocess.run(loaded, check=True, capture_output=True, text=True).stdout)
        server.terminate()
    p95 = statistics.quantiles(found["ms"], n=20)[-1]
    rate = len(found["ms"]) / found["seconds"]
    return f"{rate:9.0f} {statistics.median(found['ms']):7.1f} {p95:7.1f} {found['errors']:6}"


def wait(port: str) -> None:
    """Wait until the server answers."""
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=5).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


def serve(index: str, width: str, encoded: str) -> None:
    """Serve with a gate of a width; print the port."""
    import waitress

    from bot import open_bot
    from web import create_app
    from web.gate import Gate

    bot = open_bot(index)
    if encoded == "alone":
        bot.index.__dict__["encoder"] = bot.index.encoder.encoder
    app = create_app(bot)
    app.extensions["gate"] = Gate(int(width), 64)
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=int(width), ident=None)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    print(server.effective_port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
