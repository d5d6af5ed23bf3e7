"""The deployment page: what it says is what happens. Its blocks marked `run` are run, in the page's order."""

import configparser
import importlib.metadata
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bot.settings import read
from indexer import cli
from indexer.errors import UserError
from indexer.index import Index

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/deploy.md").read_text("utf-8")
SERVING = [line for line in (ROOT / "docs/serving.txt").read_text("utf-8").splitlines() if line and line[0] != "#"]
HEAVY = ("torch", "transformers", "sentence_transformers", "gensim", "scipy", "sklearn", "onnx", "safetensors")
BIN = Path(sys.executable).parent
# Neither the accounts nor the rights of the page are there in a test.
AS_ANYBODY = """set -euo pipefail
sudo() { if [ "$1" = -u ]; then shift 2; fi; "$@"; }
chown() { :; }
"""


def blocks(mark: str) -> list[str]:
    return re.findall(rf"^```bash {re.escape(mark)}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Place:
    """The page's folders within a temporary one, and its port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.var = folder / "var"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MUNDAP_")}
        self.environment |= {"HF_HUB_OFFLINE": "1", "PATH": f"{BIN}:{os.environ['PATH']}"}

    def here(self, text: str) -> str:
        """Put this place's names into a text of the page."""
        ours = {
            "/opt/mundap/venv/bin": BIN,
            ".venv/bin": BIN,
            "/etc/mundap": self.folder / "etc",
            "/var/lib/mundap": self.var,
            "/var/backups/mundap": self.folder / "backups",
        }
        # In one pass: our own folder may hold one of the names.
        text = re.sub("|".join(map(re.escape, ours)), lambda found: str(ours[found[0]]), text)
        return text.replace(":8000", f":{self.port}").replace("port = 8000", f"port = {self.port}")

    def run(self, block: str) -> str:
        """Run a block; give its output. A command that fails fails the test."""
        script = AS_ANYBODY + self.here(block)
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def unit(self) -> Iterator[None]:
        """Start what the unit starts, as it starts it; it ends with 0 on the signal of the unit."""
        unit = read_unit(self.here((ROOT / "docs/mundap.service").read_text("utf-8")))["Service"]
        name, _, value = unit["Environment"].partition("=")
        with subprocess.Popen(
            unit["ExecStart"].split(), cwd=unit["WorkingDirectory"], env=self.environment | {name: value}
        ) as server:
            try:
                self.run("curl -fsS --retry 60 --retry-connrefused --retry-delay 1 http://127.0.0.1:8000/api/ready")
                yield
                server.send_signal(signal.Signals[unit["KillSignal"]])
                assert server.wait(int(unit["TimeoutStopSec"])) == 0
            finally:
                server.kill()


def read_unit(text: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    return unit


@pytest.fixture
def place(tmp_path: Path, small: Path) -> Place:
    for program in ("bash", "curl", "gunicorn"):
        if shutil.which(program, path=f"{BIN}:{os.environ['PATH']}") is None:
            pytest.skip(f"needs {program}")
    found = Place(tmp_path)
    for folder in ("docs", "data", "var"):
        (tmp_path / folder).mkdir()
    shutil.copy(small, tmp_path / "data/qa.csv")
    (tmp_path / "docs/mundap.toml").write_text(found.here((ROOT / "docs/mundap.toml").read_text("utf-8")), "utf-8")
    return found


def test_the_page_from_the_settings_to_the_backup(place: Place) -> None:
    install, settings, build, link, gunicorn = blocks("run")
    place.run(install)
    shown = place.run(settings)
    assert re.search(rf"^port +{place.port} +{place.folder}/etc/mundap.toml:port$", shown, re.MULTILINE)
    assert (place.folder / "etc/secrets.env").stat().st_mode & 0o777 == 0o600
    place.run(build)
    shutil.copytree(place.folder / "runs/index-1", place.var / "index-1")  # the page's rsync
    assert "is whole: 6 rows" in place.run(link)
    assert '{"status":"ready","generation":1}' in place.run(gunicorn)

    ask, build, swap, backup, restore = blocks("run=serving")
    with place.unit():
        answer = json.loads(place.run(ask).splitlines()[-1])
        assert (answer["decision"], answer["text"]) == ("answer", "Ask within 7 days.")

        with (place.folder / "data/qa.csv").open("a", encoding="utf-8") as sheet:
            sheet.write("n1,new,Do you ship abroad?,Everywhere.,en,\n")
        place.run(build)
        shutil.copytree(place.folder / "runs/index-2", place.var / "index-2")
        assert '"generation":2,"entries":5' in place.run(swap)

        if shutil.which("sqlite3") is None:
            return
        assert place.run(backup).splitlines() == ["ok", "1"]
        assert "is whole: 7 rows" in place.run(restore)
    with sqlite3.connect(place.folder / "backups/truth.db") as copied:
        assert copied.execute("SELECT max(number) FROM generations").fetchone() == (2,)
    copied.close()


def test_every_marked_block_is_run_by_the_test_above() -> None:
    assert len(re.findall(r"^```bash run", PAGE, re.MULTILINE)) == 10


def loaded_while_answering(index: Path, folder: Path, hidden: set[str]) -> set[str]:
    """Answer on every channel in a process of its own, as if some modules were not installed; give what it loaded."""
    program = f"""
import hashlib, hmac, sys, time
sys.modules.update(dict.fromkeys({sorted(hidden)!r}))
from pathlib import Path
import web.cli
from bot.settings import Settings
from web import create_app
app = create_app(settings=Settings(
    index=Path({str(index)!r}), journal=Path({str(folder / "j.db")!r}), slack_inbox=Path({str(folder / "s.db")!r}),
    slack_signing_secret="a-secret", webhook_token="a-token", origins=("https://shop.example",), overall="9 per second",
    proxies=1, log="json",
))
client = app.test_client()
body, now = b'{{"type": "url_verification", "challenge": "it-works"}}', str(int(time.time()))
signed = hmac.new(b"a-secret", b"v0:" + now.encode() + b":" + body, hashlib.sha256).hexdigest()
slack = {{"X-Slack-Request-Timestamp": now, "X-Slack-Signature": "v0=" + signed, "Content-Type": "application/json"}}
for answered in (
    client.post("/api/ask", json={{"message": "How do I get a refund?", "session": "s"}}),
    client.post("/api/ask", json={{"message": "그럼 기간은요?", "session": "s"}}),
    client.post("/", data={{"message": "환불"}}),
    client.get("/"), client.get("/widget.js"), client.get("/api/search?q=refund"), client.get("/api/ready"),
    client.get("/metrics"), client.get("/openapi.json"),
    client.post("/webhook", data={{"text": "refund", "token": "a-token"}}),
    client.post("/slack/events", data=body, headers=slack),
):
    assert answered.status_code < 400, (answered.request.path, answered.text)
print(*(name for name, module in sys.modules.items() if module))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUNDAP_")}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names


def with_their_own(requirements: list[str]) -> set[str]:
    """Give the distributions that pip would install for requirements, by what is installed here."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name not in found:
            found.add(name)
            needs = [Requirement(text) for text in importlib.metadata.distribution(name).requires or []]
            extras = {"", *one.extras}
            waiting += [n for n in needs if not n.marker or any(n.marker.evaluate({"extra": e}) for e in extras)]
    return found


def test_the_serving_requirements_are_what_answering_needs_no_less_and_no_more(built: Path, tmp_path: Path) -> None:
    owners = {
        module: {canonicalize_name(name) for name in names}
        for module, names in importlib.metadata.packages_distributions().items()
    }
    installed = with_their_own(SERVING)
    assert not installed & {canonicalize_name(name) for name in (*HEAVY, "scikit-learn")}
    hidden = {module for module, names in owners.items() if not names & (installed | {"mundap"})}
    assert hidden >= {"torch", "scipy", "sklearn", "onnx"}
    loaded = loaded_while_answering(built, tmp_path, hidden - sys.stdlib_module_names)
    used = set().union(*(owners.get(module, set()) for module in loaded))
    assert {canonicalize_name(Requirement(line).name) for line in SERVING} - used == {"gunicorn"}


def test_the_ranges_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(SERVING) <= {*project["dependencies"], *project["optional-dependencies"]["dev"]}


def test_the_example_of_the_settings_has_no_default_and_no_unknown_key(tmp_path: Path) -> None:
    found = read({"MUNDAP_CONFIG": str(ROOT / "docs/mundap.toml")})
    assert found.warnings == []
    written = tomllib.loads((ROOT / "docs/mundap.toml").read_text("utf-8"))
    assert {name for name, source in found.sources.items() if source != "default"} == written.keys()


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    unit = tmp_path / "mundap.service"
    unit.write_text(Place(tmp_path).here((ROOT / "docs/mundap.service").read_text("utf-8")), "utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "mundap" in line]) == (0, [])


def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    nginx, openssl = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), shutil.which("openssl")
    if nginx is None or openssl is None:
        pytest.skip("no nginx on this machine")
    certificate = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*certificate, "-subj", "/CN=bot.example"], cwd=tmp_path, check=True, capture_output=True)
    site = (ROOT / "docs/nginx.conf").read_text("utf-8")
    live = "/etc/letsencrypt/live/bot.example"
    site = site.replace(f"{live}/fullchain.pem", f"{tmp_path}/cert.pem")
    (tmp_path / "site.conf").write_text(site.replace(f"{live}/privkey.pem", f"{tmp_path}/key.pem"), "utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = " ".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    whole = f"error_log stderr; pid {tmp_path}/pid; events {{}} http {{ access_log off; {folders} include site.conf; }}"
    (tmp_path / "nginx.conf").write_text(whole, "utf-8")
    done = subprocess.run(
        [nginx, "-t", "-e", "stderr", "-p", str(tmp_path), "-c", "nginx.conf"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def context(folder: Path) -> Path:
    """Copy what Docker would be sent: the lines of .dockerignore that begin with `!`."""
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        for path in sorted(ROOT.glob(line[1:])) if line.startswith("!") else ():
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, target)
    return folder


def test_docker_is_sent_all_that_its_commands_name(tmp_path: Path) -> None:
    sent = context(tmp_path)
    project = tomllib.loads((sent / "pyproject.toml").read_text("utf-8"))
    named = [project["project"]["readme"], *project["project"]["license-files"], "data/qa.csv", "docs/serving.txt"]
    named += project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert [name for name in named if not (sent / name).exists()] == []
    assert {path.name for path in sent.iterdir()} == {Path(name).parts[0] for name in (*named, "pyproject.toml")}
    serving = (ROOT / "Dockerfile").read_text("utf-8").rpartition("\nFROM ")[2]
    assert re.findall(r"pip install (.*)", serving) == [
        "--no-cache-dir -r /tmp/serving.txt",
        "--no-cache-dir --no-deps /src",
    ]
    assert "\nUSER mundap\n" in serving


@pytest.mark.skipif("TEST_SERVING_INSTALL" not in os.environ, reason="takes minutes and a package index; set it to 1")
def test_a_fresh_environment_of_what_serves_answers(built: Path, tmp_path: Path) -> None:
    """The commands of the Dockerfile's second stage, in an environment of their own."""
    sent = context(tmp_path / "context")
    bin_ = tmp_path / "venv/bin"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    for arguments in (["-r", str(sent / "docs/serving.txt")], ["--no-deps", str(sent)]):
        subprocess.run([bin_ / "pip", "install", "-q", "--no-cache-dir", *arguments], check=True, cwd=tmp_path)
    assert not [name for name in HEAVY if list((tmp_path / "venv").glob(f"lib/python3*/site-packages/{name}"))]
    port = free_port()
    environment = {"PATH": str(bin_), "MUNDAP_INDEX": str(built), "MUNDAP_JOURNAL": "off", "MUNDAP_PORT": str(port)}
    command = [str(bin_ / "web"), "serve"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            assert "Listening" in server.stderr.readline()
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/api/ask",
                b'{"message": "How do I ask for a refund?"}',
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=30) as response:
                assert json.load(response)["decision"] == "answer"
        finally:
            server.kill()


def test_onnx_runtime_does_not_report_to_its_maker(built: Path, tmp_path: Path) -> None:
    """It keeps an identifier of the machine and a queue of reports in the home folder, unless told not to."""
    kept_quiet = ("ORT_DISABLE_TELEMETRY", "CI", "GITHUB_ACTIONS", "TF_BUILD", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in kept_quiet}
    command = [sys.executable, "-c", "from indexer.cli import main; main()", "search", "refund", "--index", str(built)]
    done = subprocess.run(command, cwd=ROOT, env=environment | {"HOME": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_a_package_that_is_left_out_is_named_with_what_to_do(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gensim", None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    arguments = ["build", str(small), "--out", str(tmp_path / "index"), "--encoder", "word2vec"]
    done = CliRunner().invoke(cli.main, arguments)
    assert done.exit_code == 2
    assert "this needs the package gensim" in done.stderr
    assert "pip install ." in done.stderr


def test_an_encoder_whose_package_is_left_out_is_no_damage(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tmp_path / "index")
    assert CliRunner().invoke(cli.main, ["build", str(small), "--out", folder, "--encoder", "tfidf"]).exit_code == 0
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    done = CliRunner().invoke(cli.main, ["search", "refund", "--index", folder])
    assert done.exit_code == 2
    assert "this needs the package sklearn" in done.stderr
    assert "damaged" not in done.stderr


def test_an_index_of_another_account_is_no_damage(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite says where it may not write; the tests may run as root, who may write everywhere."""
    folder = tmp_path / "index"
    assert (
        CliRunner().invoke(cli.main, ["build", str(small), "--out", str(folder), "--encoder", "tfidf"]).exit_code == 0
    )

    def refuse(_database: object) -> list[int]:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr("indexer.database.Database.generations", refuse)
    with pytest.raises(UserError, match="is damaged"):
        Index.open(folder)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UserError, match="chown -R ACCOUNT"):
        Index.open(folder)
