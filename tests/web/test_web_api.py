"""The JSON interface: exact answers, exact refusals, and nothing that a client sends breaks it."""

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
from fake_bot import REFUND, FakeBot
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from bot.settings import Settings
from indexer.errors import UserError
from web import create_app

JSON = "application/json"
KB64 = 64 * 1024


def refusal(response: TestResponse) -> tuple[int, str]:
    """The status and code of a refusal that has the one shape and sentences in both languages."""
    assert response.mimetype == JSON
    error = response.get_json()["error"]
    assert set(error) - {"field"} == {"code", "message", "message_ko", "request_id"}
    assert error["request_id"] == response.headers["X-Request-ID"]
    assert error["message"].isascii()
    assert any("가" <= letter <= "힣" for letter in error["message_ko"])
    assert "{" not in error["message"].replace('{"message": "How do I get a refund?"}', "")
    return response.status_code, error["code"]


def test_ask_gives_the_answer_as_the_bot_gave_it(client: FlaskClient, bot: FakeBot) -> None:
    response = client.post("/api/ask", json={"message": "How do I get a refund?", "session": "s-1"})
    assert response.status_code == 200
    assert response.get_json() == json.loads(json.dumps(REFUND.to_dict()))
    assert list(response.get_json()) == ["decision", "text", "confidence", "candidates", "sources", "trace"]
    assert bot.asked == [("How do I get a refund?", "s-1")]


def test_ask_without_a_session_is_a_single_question(client: FlaskClient, bot: FakeBot) -> None:
    assert client.post("/api/ask", json={"message": "hello", "session": None}).status_code == 200
    assert client.post("/api/ask", json={"message": "hello"}).status_code == 200
    assert bot.asked == [("hello", None), ("hello", None)]


def test_korean_stays_readable_in_the_json(client: FlaskClient) -> None:
    response = client.post("/api/ask", json={"message": "비밀번호를 잊어버렸어요"})
    assert "비밀번호 찾기" in response.data.decode("utf-8")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", JSON, 400, "not_json"),
        (b"hello", JSON, 400, "not_json"),
        (b'{"message": "hi"', JSON, 400, "not_json"),
        (b'{"message": "hi"}', "text/plain", 400, "not_json"),
        (b"message=hi", "application/x-www-form-urlencoded", 400, "not_json"),
        ('{"message": "환불"}'.encode("cp949"), JSON, 400, "not_json"),
        (b"[" * 60_000, JSON, 400, "not_json"),
        (b'{"message": ' + b"1" * 5000 + b"}", JSON, 400, "not_json"),
        (b'["hi"]', JSON, 400, "not_an_object"),
        (b"null", JSON, 400, "not_an_object"),
        (b'"hi"', JSON, 400, "not_an_object"),
        (b"{}", JSON, 422, "message_missing"),
        (b'{"message": null}', JSON, 422, "message_missing"),
        (b'{"message": 7}', JSON, 422, "message_missing"),
        (b'{"message": ["hi"]}', JSON, 422, "message_missing"),
        (b'{"message": ""}', JSON, 422, "message_empty"),
        (b'{"message": " \\t\\n\\u00a0\\u3000"}', JSON, 422, "message_empty"),
        (b'{"message": "\\u200b\\u200d\\ufeff\\u2060\\u3164\\u0000"}', JSON, 422, "message_empty"),
        (json.dumps({"message": "가" * 2001}).encode(), JSON, 422, "message_too_long"),
        (b'{"message": "hi", "session": 5}', JSON, 422, "session_invalid"),
        (b'{"message": "hi", "session": ""}', JSON, 422, "session_invalid"),
        (json.dumps({"message": "hi", "session": "s" * 201}).encode(), JSON, 422, "session_invalid"),
    ],
)
def test_ask_refuses(client: FlaskClient, bot: FakeBot, body: bytes, content_type: str, status: int, code: str) -> None:
    response = client.post("/api/ask", data=body, content_type=content_type)
    assert refusal(response) == (status, code)
    assert bot.asked == []


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        ("가" * 2000, "가" * 2000),
        ("line one\nline two\ttab", "line one\nline two\ttab"),
        ("nul\x00and bell\x07", "nul and bell "),
        ("half \ud800 pair", "half � pair"),
        ("\ud83d\ude00 whole pair", "😀 whole pair"),
        ("\U0001fffd an emoji of tomorrow", "\U0001fffd an emoji of tomorrow"),
        ("\U0001fffd", "\U0001fffd"),
        ("مرحبا ‮rtl", "مرحبا ‮rtl"),
        ("\ufeffhi", "\ufeffhi"),
    ],
)
def test_the_bot_hears_what_it_can_read(client: FlaskClient, bot: FakeBot, sent: str, heard: str) -> None:
    body = json.dumps({"message": sent})
    assert client.post("/api/ask", data=body, content_type=JSON).status_code == 200
    assert bot.asked == [(heard, None)]


def test_a_stored_text_that_utf_8_cannot_hold_is_still_sent(client: FlaskClient, bot: FakeBot) -> None:
    bot.answers["odd"] = type(REFUND)("answer", "half \udc80", 0.5, [])
    assert client.post("/api/ask", json={"message": "odd"}).get_json()["text"] == "half ?"


@pytest.mark.parametrize(("size", "status"), [(KB64, 200), (KB64 + 1, 413), (1_000_000, 413)])
def test_a_body_may_have_64_kilobytes(client: FlaskClient, size: int, status: int) -> None:
    body = b'{"message": "hi"}'.ljust(size)
    response = client.post("/api/ask", data=body, content_type=JSON)
    assert response.status_code == status
    if status == 413:
        assert refusal(response) == (413, "body_too_large")


def test_search_gives_candidates_and_where_they_come_from(client: FlaskClient, bot: FakeBot) -> None:
    response = client.get("/api/search", query_string={"q": "환불 refund", "k": "2"})
    assert response.get_json() == {
        "query": "환불 refund",
        "generation": 3,
        "candidates": list(REFUND.candidates[:2]),
    }
    client.get("/api/search?q=refund")
    assert bot.searched == [("환불 refund", 2), ("refund", 5)]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "message_missing"),
        ("q=", "message_empty"),
        ("q=%00%20", "message_empty"),
        ("q=" + "a" * 2001, "message_too_long"),
        *((f"q=hi&k={k}", "k_out_of_range") for k in ("0", "51", "-1", "", "five", "2.0", "９", "9" * 5000)),
    ],
)
def test_search_refuses(client: FlaskClient, query: str, code: str) -> None:
    assert refusal(client.get(f"/api/search?{query}")) == (422, code)


@pytest.mark.parametrize("k", [1, 50])
def test_search_takes_1_to_50_results(client: FlaskClient, bot: FakeBot, k: int) -> None:
    assert client.get(f"/api/search?q=hi&k={k}").status_code == 200
    assert bot.searched == [("hi", k)]


def test_health_says_what_answers(client: FlaskClient) -> None:
    response = client.get("/api/health")
    assert (response.status_code, response.get_json()) == (
        200,
        {"status": "ok", "generation": 3, "entries": 1312, "encoder": "minilm"},
    )


def test_a_damaged_index_is_a_503_that_leaves_its_reason_to_the_log(client: FlaskClient, bot: FakeBot) -> None:
    bot.failure = UserError("data/index is damaged; type: indexer build data/qa.csv")
    response = client.post("/api/ask", json={"message": "hi"})
    assert refusal(response) == (503, "unavailable")
    assert "data/" not in response.text


def test_a_bug_is_a_500_that_tells_nothing_of_the_inside(client: FlaskClient, bot: FakeBot) -> None:
    bot.failure = RuntimeError("secret detail")
    response = client.post("/api/ask", json={"message": "hi"})
    assert refusal(response) == (500, "server_error")
    assert "secret" not in response.text
    assert "Traceback" not in response.text


def test_unknown_addresses_and_methods_are_refused_in_the_same_shape(client: FlaskClient) -> None:
    assert refusal(client.get("/api/nothing")) == (404, "not_found")
    response = client.get("/api/ask")
    assert refusal(response) == (405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert "GET" in response.get_json()["error"]["message"]


def test_a_person_gets_a_page_where_nothing_is(client: FlaskClient) -> None:
    response = client.get("/nothing", headers={"Accept": "text/html", "Accept-Language": "ko"})
    assert (response.status_code, response.mimetype) == (404, "text/html")
    assert "이 주소에는 아무것도 없습니다." in response.text


def test_openapi_declares_every_refusal(client: FlaskClient) -> None:
    spec = client.get("/openapi.json").get_json()
    assert spec["openapi"] == "3.1.0"
    assert set(spec["paths"]) == {"/api/ask", "/api/vote", "/api/search", "/api/health", "/api/ready"}
    ask = spec["paths"]["/api/ask"]["post"]
    assert set(ask["responses"]) == {"200", "400", "401", "413", "422", "429", "500", "503"}
    assert ask["requestBody"]["content"][JSON]["schema"]["required"] == ["message"]
    described = ask["responses"]["422"]["content"][JSON]["schema"]["properties"]["error"]["properties"]
    assert "message_too_long" in described["code"]["enum"]
    names = [parameter["name"] for parameter in spec["paths"]["/api/search"]["get"]["parameters"]]
    assert names == ["q", "k"]


@pytest.mark.parametrize("path", ["/", "/api/health", "/nothing", "/static/chat.js", "/openapi.json"])
def test_every_response_forbids_what_the_page_does_not_need(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:
        headers = response.headers
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Permissions-Policy"].startswith("camera=()")
    assert "Access-Control-Allow-Origin" not in headers
    assert "Strict-Transport-Security" not in headers  # plain HTTP promises nothing


def test_importing_web_loads_no_model_library() -> None:
    heavy = "torch", "transformers", "pandas", "sentence_transformers", "faiss"
    code = f"import sys, web, web.cli; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- Whatever is sent: one shape, and never a 5xx.

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TYPES = st.sampled_from([JSON, "application/json; charset=euc-kr", "text/plain", "application/xml", "", "x"])


@cache
def unlimited() -> FlaskClient:
    return create_app(FakeBot(), Settings(per_client="")).test_client()


def ask(body: bytes, content_type: str) -> TestResponse:
    return unlimited().post("/api/ask", data=body, content_type=content_type)


def assert_answered_or_refused(response: TestResponse) -> None:
    if response.status_code == 200:
        assert response.get_json()["decision"] == "abstain"
    else:
        assert refusal(response)[0] in (400, 422)


@settings(deadline=None, max_examples=60)
@given(body=st.binary(max_size=300), content_type=TYPES)
def test_any_bytes(body: bytes, content_type: str) -> None:
    assert_answered_or_refused(ask(body, content_type))


@settings(deadline=None, max_examples=60)
@given(value=VALUES)
def test_any_json(value: Any) -> None:
    assert_answered_or_refused(ask(json.dumps(value).encode(), JSON))
    assert_answered_or_refused(ask(json.dumps({"message": value, "session": value}).encode(), JSON))


@settings(deadline=None, max_examples=60)
@given(query=st.text(st.characters(codec="utf-8")), k=st.text(st.characters(codec="utf-8")))
def test_any_query(query: str, k: str) -> None:
    response = unlimited().get("/api/search", query_string={"q": query, "k": k})
    assert response.status_code == 200 or refusal(response)[0] == 422
