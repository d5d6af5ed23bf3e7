"""Keys for the API: who has one or comes from the page is let in, the others hear 401 and how to send one."""

import hashlib
import json
import re

import pytest
from fake_bot import FakeBot
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner
from werkzeug.test import TestResponse

from bot.settings import Settings
from web import create_app, keys

KEY, OTHER = "mk-3f1c9a", "mk-키-77"
HASHES = tuple(hashlib.sha256(key.encode()).hexdigest() for key in (KEY, OTHER))


@pytest.fixture
def app() -> Flask:
    return create_app(FakeBot(), Settings(api_keys=HASHES))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def ask(client: FlaskClient, **headers: str) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/api/ask", json={"message": "hello"}, headers=sent)


def token_of(page: str) -> dict[str, str]:
    found = re.search(r'<script type="application/json" id="settings">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1])["headers"])


def test_without_keys_nobody_needs_one() -> None:
    client = create_app(FakeBot()).test_client()
    assert ask(client).status_code == 200
    assert token_of(client.get("/").text) == {}


def test_a_key_opens_what_programs_use(client: FlaskClient) -> None:
    assert ask(client, Authorization=f"Bearer {KEY}").status_code == 200
    assert ask(client, Authorization=f"bearer  {KEY} ").status_code == 200
    assert ask(client, X_API_Key=KEY).status_code == 200
    assert ask(client, X_API_Key=OTHER.encode().decode("latin-1")).status_code == 200
    assert client.get("/api/search?q=hi", headers={"X-API-Key": KEY}).status_code == 200
    vote = client.post("/api/vote", json={"exchange": "x", "vote": "up"}, headers={"X-API-Key": KEY})
    assert vote.get_json()["error"]["code"] == "unknown_exchange"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
        {"Authorization": f"Bearer {HASHES[0]}"},
        {"X-API-Key": HASHES[0]},
        {"X-API-Key": ""},
        {"X-API-Key": "\xff\x80"},
        {"X-Page-Token": "page"},
        {"X-Page-Token": "page.aaaa.bbbb"},
        {"X-Page-Token": KEY},
    ],
)
def test_others_hear_how_to_send_one(client: FlaskClient, headers: dict[str, str]) -> None:
    for refused in (
        client.post("/api/ask", json={"message": "hello"}, headers=headers),
        client.get("/api/search?q=hello", headers=headers),
        client.post("/api/vote", json={"exchange": "x", "vote": "up"}, headers=headers),
    ):
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        error = refused.get_json()["error"]
        assert error["code"] == "key_missing"
        assert "Authorization: Bearer KEY" in error["message"]
        assert "키" in error["message_ko"]


def test_what_people_and_probes_need_stays_open(client: FlaskClient) -> None:
    for path in ("/", "/static/chat.js", "/api/health", "/api/ready", "/openapi.json"):
        with client.get(path) as response:
            assert response.status_code == 200, path
    assert client.post("/", data={"message": "hello"}).status_code == 200
    assert client.options("/api/ask").status_code == 200


def test_the_page_itself_may_ask(client: FlaskClient) -> None:
    headers = token_of(client.get("/").text)
    assert list(headers) == ["X-Page-Token"]
    assert client.post("/api/ask", json={"message": "hello"}, headers=headers).status_code == 200


def test_the_token_works_at_another_worker_with_the_same_keys_and_at_no_other(client: FlaskClient) -> None:
    headers = token_of(client.get("/").text)
    same = create_app(FakeBot(), Settings(api_keys=tuple(reversed(HASHES)))).test_client()
    other = create_app(FakeBot(), Settings(api_keys=HASHES[:1])).test_client()
    assert same.post("/api/ask", json={"message": "hello"}, headers=headers).status_code == 200
    assert other.post("/api/ask", json={"message": "hello"}, headers=headers).status_code == 401


def test_a_page_that_was_open_for_too_long_says_reload(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = token_of(client.get("/").text)
    now = TimestampSigner("x").get_timestamp()
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _self: now + keys.A_DAY - 60)
    assert client.post("/api/ask", json={"message": "hello"}, headers=headers).status_code == 200
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _self: now + keys.A_DAY + 60)
    refused = client.post("/api/ask", json={"message": "hello"}, headers=headers)
    assert refused.status_code == 401
    assert refused.get_json()["error"]["code"] == "page_expired"
    assert "Reload" in refused.get_json()["error"]["message"]


def test_no_answer_and_no_search_is_made_for_who_is_refused() -> None:
    bot = FakeBot()
    client = create_app(bot, Settings(api_keys=HASHES)).test_client()
    ask(client)
    client.get("/api/search?q=hello")
    assert (bot.asked, bot.searched) == ([], [])


def test_whoever_tries_keys_meets_the_limit() -> None:
    client = create_app(FakeBot(), Settings(api_keys=HASHES, per_client="3 per hour")).test_client()
    assert [ask(client, X_API_Key=f"try-{number}").status_code for number in range(5)] == [401] * 3 + [429] * 2


def test_every_key_is_compared_so_that_time_tells_nothing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: str, other: str) -> bool:
        compared.append(other)
        return one == other

    monkeypatch.setattr(keys.hmac, "compare_digest", compare)
    assert keys.fits(KEY, HASHES)
    assert not keys.fits("", HASHES)
    assert compared == [*HASHES, *HASHES]
