"""Whatever is sent to whichever address: never a 5xx, and every refusal in the one shape, with its id."""

import json
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest
from fake_bot import FakeBot
from flask.testing import FlaskClient
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from bot.settings import Settings
from web import create_app

TOKEN = "wh-fuzz-1"
POSTS = ["/api/ask", "/api/vote", "/", "/vote", "/webhook"]
GETS = ["/", "/api/search", "/api/health", "/api/ready", "/openapi.json", "/metrics", "/static/chat.js", "/nothing"]
GETS += ["/widget", "/widget.js"]
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
HUGE = "가" * 350_000  # a megabyte and a little more in UTF-8
STRANGE = [
    "",
    " ",
    "\u200b\u200d\ufeff",
    "\x00",
    "\u202eمرحبا بكم\u202c",
    "🏳️‍🌈👩‍👩‍👧‍👦🇰🇷",
    "\ud800",
    "e" + "\u0301" * 1_900,
    "ㅋ" * 2_000,
    "ㅋ" * 2_001,
    "' OR 1=1 --",
    "{{7*7}} ${7*7} <script>",
    "../../../etc/passwd",
    "%s%n%00",
    HUGE,
]


@cache
def client() -> FlaskClient:
    return create_app(FakeBot(), Settings(per_client="", webhook_token=TOKEN)).test_client()


def post(path: str, data: Any, content_type: str | None = None, **more: Any) -> TestResponse:
    return client().post(path, data=data, content_type=content_type, **more)


def check(response: TestResponse) -> None:
    """No 5xx; a refusal of the API has the one shape; headers on everything."""
    with response:
        assert response.status_code < 500, response.text
        assert response.headers["X-Request-ID"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        if response.status_code >= 400 and response.mimetype != "text/html":
            error = response.get_json()["error"]
            assert set(error) - {"field"} == {"code", "message", "message_ko", "request_id"}
            assert error["request_id"] == response.headers["X-Request-ID"]


ANY_TEXT = st.text(st.characters(codec=None), max_size=60) | st.sampled_from(STRANGE)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=10,
)
NAMES = st.sampled_from(["message", "session", "channel", "exchange", "vote", "chosen", "text", "token", "user_id"])
TYPES = st.sampled_from(
    [JSON, FORM, "multipart/form-data; boundary=x", "multipart/form-data", "text/plain", "application/xml", "", "x"]
) | st.sampled_from(
    ["application/json; charset=euc-kr", "application/json; charset=nonsense", "application/vnd.api+json"]
)
PATHS = st.sampled_from(POSTS)
FEW = settings(deadline=None, max_examples=120, derandomize=True)


@FEW
@given(path=PATHS, body=st.binary(max_size=400), content_type=TYPES)
@example(path="/api/ask", body=b"[" * 60_000, content_type=JSON)
@example(path="/webhook", body=b'{"text":' * 9_000, content_type=JSON)
@example(path="/", body=b"message=%ff%fe&message=%00", content_type=FORM)
@example(
    path="/",
    body=b"--x\r\nContent-Disposition: form-data; name=message\r\n\r\nhi",
    content_type="multipart/form-data; boundary=x",
)
@example(path="/vote", body=b"&" * 60_000, content_type=FORM)
def test_any_bytes(path: str, body: bytes, content_type: str) -> None:
    check(post(path, body, content_type))


@FEW
@given(path=PATHS, fields=st.dictionaries(NAMES, VALUES, max_size=5))
def test_any_json_fields(path: str, fields: dict[str, Any]) -> None:
    if path == "/webhook":
        fields["token"] = TOKEN
    check(post(path, json.dumps(fields).encode("utf-8", "surrogatepass"), JSON))


@FEW
@given(path=PATHS, fields=st.lists(st.tuples(NAMES, ANY_TEXT), max_size=5))
def test_any_form(path: str, fields: list[tuple[str, str]]) -> None:
    pairs = [*fields, ("token", TOKEN)] if path == "/webhook" else fields
    body = "&".join(f"{name}={quote(value.encode('utf-8', 'surrogatepass'))}" for name, value in pairs)
    check(post(path, body.encode(), FORM))


@FEW
@given(path=st.sampled_from(GETS), query=st.binary(max_size=80))
@example(path="/api/search", query=b"\xff\xfe=\xfe&q=\xff")
@example(path="/", query=b"lang=\xff")
@example(path="/widget", query=b"color=%ff&title=%ed%a0%80&host=\xff")
def test_any_query(path: str, query: bytes) -> None:
    check(client().get(path, query_string=quote(query, safe="&=+%")))
    check(client().get(path, query_string=query.decode("latin-1").replace("#", "")))


@FEW
@given(path=st.binary(max_size=60))
def test_any_address(path: bytes) -> None:
    check(client().get("/" + quote(path, safe="/%.").lstrip("/")))


@FEW
@given(
    name=st.sampled_from(["Accept", "Accept-Language", "Content-Type", "X-Request-ID", "Authorization", "Cookie"])
    | st.sampled_from(["Origin", "X-Forwarded-For", "X-API-Key", "X-Page-Token", "Host", "Range", "If-None-Match"]),
    value=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60),
)
def test_any_header(name: str, value: str) -> None:
    for path in ("/", "/api/search?q=hi", "/static/chat.js", "/nothing"):
        check(client().get(path, headers=Headers([(name, value)])))
    check(post("/api/ask", b'{"message": "hi"}', headers=Headers([(name, value)])))


@pytest.mark.parametrize("path", [*POSTS, *GETS])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_any_method(path: str, method: str) -> None:
    response = client().open(path, method=method)
    with response:
        assert response.status_code < 500
        if response.status_code == 405:
            assert response.headers["Allow"]


@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
def test_strange_texts_everywhere(text: str) -> None:
    """A message of a megabyte is refused for its size where it comes as a body."""
    encoded = quote(text.encode("utf-8", "surrogatepass"))
    for path in POSTS:
        names = {"/webhook": "text", "/api/vote": "exchange", "/vote": "exchange"}
        name = names.get(path, "message")
        fields = {name: text, "vote": "up", "token": TOKEN}
        for response in (
            post(path, json.dumps(fields).encode(), JSON),
            post(path, f"{name}={encoded}&vote=up&token={TOKEN}".encode(), FORM),
        ):
            check(response)
            if text == HUGE:
                assert response.status_code in (400, 413, 422)
    check(client().get(f"/api/search?q={encoded}"))
    check(client().get(f"/?lang={encoded}"))
