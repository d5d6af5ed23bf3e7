"""schemathesis holds the application to its own `/openapi.json`: examples, coverage, fuzzing and links, fixed seed."""

from typing import Any

import pytest
import schemathesis
from schemathesis import engine
from schemathesis.engine import Status, events

from bot import open_bot
from bot.settings import Settings
from indexer.build import build_index
from web import create_app

SHEET = """id,question,answer,url
r1,How do I get a refund?,Write to us within 14 days.,https://shop.example/refunds
r2,Where is my parcel?,Look at the tracking page.,
r3,비밀번호를 잊어버렸어요,비밀번호 찾기를 눌러 주세요.,
r4,배송은 얼마나 걸리나요?,보통 이틀 걸립니다.,
"""
EXAMPLES = 30  # generated for each operation, besides what coverage makes
OPERATIONS = {"POST /api/ask", "POST /api/vote", "GET /api/search", "GET /api/health", "GET /api/ready"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("described")
    (folder / "qa.csv").write_text(SHEET, "utf-8")
    build_index(folder / "qa.csv", folder / "index", encoder="tfidf?dim=64")
    settings = Settings(per_client="", journal=folder / "journal.db")
    app = create_app(open_bot(folder / "index"), settings)
    yield app
    app.extensions["journal"].close()


def test_schemathesis_finds_nothing(app: Any) -> None:
    config = schemathesis.Config.from_dict({"seed": 5, "generation": {"max-examples": EXAMPLES, "database": "none"}})
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app, config=config)
    tested, found = set(), []
    for event in engine.from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            tested.add(event.recorder.label)
            for case, checks in event.recorder.checks.items():
                sent = event.recorder.cases[case].value
                found += [f"{sent.as_curl_command()}\n{one.name}" for one in checks if one.status == Status.FAILURE]
        assert not isinstance(event, events.FatalError | events.NonFatalError), event
    assert tested >= OPERATIONS
    assert found == []
