"""What the peers' own programs share: the model's folder, the sheet, and a Flask application as tutorials write it."""

import csv
import logging
import os
from collections.abc import Callable
from pathlib import Path

MODEL = os.environ.get("PEERS_MODEL", "")  # folder of all-MiniLM-L6-v2, the same for every peer


def read_sheet(sheet: Path) -> list[dict[str, str]]:
    """Read the rows (id, question, answer)."""
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def serve_flask(answer: Callable[[str], str], port: int) -> None:
    """Serve POST /ask {"message"} with Flask's own server: one thread a connection, kept alive."""
    from flask import Flask, Response, jsonify, request

    app = Flask("peer")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request would only cost them time

    @app.post("/ask")
    def ask() -> Response:
        return jsonify(answer=answer(request.get_json()["message"]))

    app.run(host="127.0.0.1", port=port, threaded=True)
