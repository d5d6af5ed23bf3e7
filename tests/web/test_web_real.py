"""The page around the real bot: what is on the sheet is what a person reads."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from bot import open_bot
from indexer import cli
from indexer.errors import UserError
from web import create_app

SHEET = """id,question,answer,url
r1,How do I get a refund?,Write to us within 14 days.,https://shop.example/refunds
r2,Where is my parcel?,Look at the tracking page.,
r3,비밀번호를 잊어버렸어요,비밀번호 찾기를 눌러 주세요.,
r4,배송은 얼마나 걸리나요?,보통 이틀 걸립니다.,
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("real")
    (work / "qa.csv").write_text(SHEET, "utf-8")
    built = CliRunner().invoke(cli.main, ["build", str(work / "qa.csv"), "--out", str(work / "index")])
    assert built.exit_code == 0, built.output
    return work / "index"


@pytest.fixture
def client(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("MUNDAP_INDEX", str(folder))
    return create_app().test_client()


@pytest.mark.parametrize("message", ["How do I get a refund?", "비밀번호를 잊어버렸어요", "a recipe for borscht"])
def test_ask_gives_the_same_object_as_the_bot(client: FlaskClient, folder: Path, message: str) -> None:
    response = client.post("/api/ask", json={"message": message})
    answer = open_bot(folder).answer(message).to_dict()
    assert response.get_json() == {**answer, "sources": list(answer["sources"])}


def test_a_stored_question_gets_its_stored_answer(client: FlaskClient) -> None:
    answer = client.post("/api/ask", json={"message": "비밀번호를 잊어버렸어요"}).get_json()
    assert (answer["decision"], answer["text"]) == ("answer", "비밀번호 찾기를 눌러 주세요.")
    assert answer["sources"][0]["id"] == "r3"


def test_health_and_search_and_page_know_the_index(client: FlaskClient) -> None:
    assert client.get("/api/health").get_json() == {
        "status": "ok",
        "generation": 1,
        "entries": 4,
        "encoder": "bilingual",
    }
    found = client.get("/api/search?q=refund&k=2").get_json()
    assert (found["generation"], len(found["candidates"])) == (1, 2)
    assert found["candidates"][0]["id"] == "r1"
    assert "4 stored questions and answers" in client.get("/").text


def test_every_figure_of_the_real_trace_has_words(client: FlaskClient) -> None:
    from web.words import WORDS

    trace = client.post("/api/ask", json={"message": "refund"}).get_json()["trace"]
    assert set(trace) <= set(WORDS["ko"])


def test_without_an_index_the_error_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUNDAP_INDEX", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="indexer build"):
        create_app()
