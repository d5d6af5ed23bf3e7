"""Two probes: can it answer, and should visitors be sent here?"""

import pytest
from fake_bot import FakeBot
from flask import Flask
from flask.testing import FlaskClient

from indexer.errors import UserError


def test_ready_says_which_generation(client: FlaskClient, bot: FakeBot) -> None:
    response = client.get("/api/ready")
    assert (response.status_code, response.get_json()) == (200, {"status": "ready", "generation": 3})
    assert bot.searched == [("health", 1)]  # which loads the encoder, so that no visitor waits for it


@pytest.mark.parametrize("failure", [UserError("no index"), OSError("disk"), KeyError("x")])
def test_neither_where_the_bot_cannot_answer(client: FlaskClient, bot: FakeBot, failure: Exception) -> None:
    bot.failure = failure
    for path in ("/api/health", "/api/ready"):
        response = client.get(path)
        assert (response.status_code, response.get_json()["error"]["code"]) == (503, "unavailable")


def test_a_server_that_stops_is_healthy_but_not_ready(app: Flask) -> None:
    app.extensions["stopping"].set()
    client = app.test_client()
    assert client.get("/api/health").status_code == 200
    response = client.get("/api/ready")
    assert (response.status_code, response.get_json()["error"]["code"]) == (503, "stopping")
    assert response.headers["Retry-After"] == "1"
    assert client.post("/api/ask", json={"message": "hello"}).status_code == 200  # who is here is still answered
