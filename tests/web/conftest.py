"""An application around the fake bot, and a real server with a real browser before it."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import waitress
from fake_bot import FakeBot
from flask import Flask
from flask.testing import FlaskClient
from waitress import wasyncore

from web import create_app


@pytest.fixture
def bot() -> FakeBot:
    return FakeBot()


@pytest.fixture
def app(bot: FakeBot) -> Flask:
    return create_app(bot)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    """The address of a real server in a thread."""
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    # The call is queued before the trigger is written to: a server that is awake closes the trigger first.
    with suppress(OSError):
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map, ignore_all=True))
    server.task_dispatcher.shutdown()
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The chromium of this machine, without a window."""
    chromium = shutil.which("chromium")
    if chromium is None:
        assert "CI" not in os.environ, "the browser tests need chromium: apt-get install chromium"
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield launched
        launched.close()
