"""`web serve`: what a person sees who starts it, rightly or wrongly, and who stops it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from web import cli

HERE = Path(__file__).parent
# The command with the bot of these tests in the place of the real one, in a process of its own.
FAKE = """
import sys
sys.path.insert(0, {here!r})
import bot, fake_bot
from indexer.errors import UserError

def open_bot(path, *_):
    if "missing" in str(path):
        raise UserError(f"no index in {{path}}; type: indexer build data/qa.csv")
    print("opened", path, file=sys.stderr)
    return fake_bot.FakeBot()

bot.open_bot = open_bot
import bot.settings
settings = bot.settings.Settings(index={index!r}, {settings})
bot.settings.Settings.from_environment = staticmethod(lambda *_: settings)
"""
WEB = "from web.cli import main; main(prog_name='web')"
FLASK = "from flask.cli import main; main()"


@contextmanager
def start(
    *arguments: str, program: str = WEB, index: str = "data/index", settings: str = ""
) -> Iterator["subprocess.Popen[str]"]:
    fake = FAKE.format(here=str(HERE), index=index, settings=settings)
    command = [sys.executable, "-c", fake + program, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def finish(*arguments: str, **options: str) -> tuple[int, str, str]:
    with start(*arguments, **options) as process:
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


def listening(process: "subprocess.Popen[str]") -> tuple[str, list[str]]:
    """The address that the server says it listens on, and what it said before."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        if found := re.search(r"http://\S+", line):
            return found[0], said
        said.append(line)
    raise AssertionError(said)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_where_it_says_and_stops_cleanly(number: int) -> None:
    with start("serve", "--index", "my/index", "--port", "0") as process:
        address, said = listening(process)
        assert said == ["opened my/index\n"]
        with urllib.request.urlopen(f"{address}/api/health", timeout=60) as response:
            assert json.load(response)["status"] == "ok"
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
        (line,) = err.splitlines()
        assert (process.returncode, out) == (0, "")
        assert "route=/api/health status=200" in " ".join(sorted(line.split()))


@pytest.mark.parametrize(
    ("arguments", "program"), [(["serve", "--port", "0"], WEB), (["--app", "web", "routes"], FLASK)]
)
def test_a_setting_that_makes_no_sense_is_one_line(arguments: list[str], program: str) -> None:
    status, out, err = finish(*arguments, program=program, settings="per_client='often'")
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("Error: MUNDAP_PER_CLIENT is 'often', which is no limit: ")


def test_the_settings_reach_the_application() -> None:
    with start("serve", "--port", "0", settings="webhook_token='wh-1'") as process:
        address, _ = listening(process)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}/webhook", data=b"{}", timeout=60)
        assert refused.value.code in (400, 401)
        refused.value.close()


def test_a_port_in_use_is_said_with_the_next_one_to_type() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, out, err = finish("serve", "--port", str(port))
    assert (status, out) == (2, "")
    error = err.splitlines()[-1]
    assert f"port {port} " in error
    assert f"web serve --port {port + 1}" in error
    assert "Traceback" not in err


def test_a_missing_index_is_one_line_and_no_traceback() -> None:
    status, out, err = finish("serve", "--index", "missing/index")
    assert (status, out) == (2, "")
    assert err == "Error: no index in missing/index; type: indexer build data/qa.csv\n"


def test_flask_run_says_the_same_of_a_missing_index() -> None:
    status, out, err = finish("--app", "web", "routes", program=FLASK, index="missing/index")
    assert (status, out) == (2, "")
    assert err == "Error: no index in missing/index; type: indexer build data/qa.csv\n"


def test_flask_finds_the_application() -> None:
    status, out, err = finish("--app", "web", "routes", program=FLASK)
    assert (status, err) == (0, "opened data/index\n")
    assert "/api/ask" in out


def test_a_host_that_is_not_this_machine_is_said() -> None:
    status, _, err = finish("serve", "--host", "192.0.2.1", "--port", "0")
    assert status == 2
    assert "cannot listen on 192.0.2.1" in err.splitlines()[-1]


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_cannot_be_is_refused(port: str) -> None:
    result = CliRunner().invoke(cli.main, ["serve", "--port", port])
    assert result.exit_code == 2
    assert "--port" in result.output


def test_help_shows_an_example_and_the_defaults() -> None:
    result = CliRunner().invoke(cli.main, ["serve", "--help"])
    assert result.exit_code == 0
    for part in ("web serve --index data/index --port 8000", "127.0.0.1", "data/index"):
        assert part in result.output


def test_an_ipv6_address_can_be_typed_into_a_browser() -> None:
    class Server:
        effective_host, effective_port = "::1", 8000

    assert cli.address(Server()) == "http://[::1]:8000"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="only others than root lack the right")
def test_a_port_that_needs_more_rights_is_said() -> None:
    status, _, err = finish("serve", "--port", "1")
    assert status == 2
    assert "web serve --port 8000" in err
