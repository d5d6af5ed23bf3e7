"""Settings: the environment before the file before the default, and errors that say what to write."""

import json
import logging
import tomllib
from dataclasses import fields
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.commands import settings as configuring
from bot.settings import Settings, read, variable_of
from indexer.errors import UserError

EVERY = {  # one value of each setting as the environment, as TOML and as Python has it
    "index": ("x/y", '"x/y"', Path("x/y")),
    "host": ("0.0.0.0", '"0.0.0.0"', "0.0.0.0"),
    "port": ("9001", "9001", 9001),
    "journal": ("a b.db", '"a b.db"', Path("a b.db")),
    "retention_days": ("7", "7", 7),
    "mask": ("off", "false", False),
    "contact": ("고객센터 help@shop.example", '"고객센터 help@shop.example"', "고객센터 help@shop.example"),
    "slack_signing_secret": ("5" * 32, f'"{"5" * 32}"', "5" * 32),
    "slack_bot_token": ("xoxb-1-abc", '"xoxb-1-abc"', "xoxb-1-abc"),
    "slack_inbox": ("s.db", '"s.db"', Path("s.db")),
    "generator": ("causal:gpt2", '"causal:gpt2"', "causal:gpt2"),
    "classifier": ("runs/topics", '"runs/topics"', Path("runs/topics")),
    "upset": ("upset, 화남", '["upset", "화남"]', ("upset", "화남")),
    "reader": ("off", "false", None),
    "shorten": ("400", "400", 400),
    "shortener": ("runs/short", '"runs/short"', Path("runs/short")),
    "tagger": ("runs/tags", '"runs/tags"', Path("runs/tags")),
    "entailment": ("runs/nli", '"runs/nli"', Path("runs/nli")),
    "openai_api_key": ("sk-1", '"sk-1"', "sk-1"),
    "webhook_token": ("opensesame", '"opensesame"', "opensesame"),
    "origins": (
        "https://shop.example, http://LOCALHOST:8080",
        '["https://shop.example", "http://localhost:8080"]',
        ("https://shop.example", "http://localhost:8080"),
    ),
    "api_keys": ("A" * 64 + "," + "0" * 64 + ",", f'["{"a" * 64}", "{"0" * 64}"]', ("a" * 64, "0" * 64)),
    "per_client": ("5 per second", '"5 per second"', "5 per second"),
    "overall": ("off", '""', ""),
    "proxies": ("2", "2", 2),
    "log": ("json", '"json"', "json"),
}
SECRETS = ("slack_signing_secret", "slack_bot_token", "webhook_token", "api_keys")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for one in fields(Settings):
        monkeypatch.delenv(variable_of(one), raising=False)
    return tmp_path


def as_environment(**values):
    names = {one.name: variable_of(one) for one in fields(Settings)}
    return {names[name]: value for name, value in values.items()}


def write(folder, text, name="mundap.toml"):
    (folder / name).write_text(text, encoding="utf-8")


def run(*arguments, **environment):
    return CliRunner().invoke(main, ["settings", *arguments], env=environment)


@pytest.mark.parametrize("name", EVERY)
def test_every_setting_is_read_from_the_environment_and_from_the_file(name, folder):
    text, toml, value = EVERY[name]
    found = read(as_environment(**{name: text}))
    assert (getattr(found.settings, name), found.sources[name].split()[0]) == (value, "environment")
    write(folder, f"{name} = {toml}")
    found = read({})
    assert (getattr(found.settings, name), found.sources[name]) == (value, f"mundap.toml:{name}")


def test_the_usual_names_are_used_where_there_are_any():
    environment = {"SLACK_SIGNING_SECRET": "a", "SLACK_BOT_TOKEN": "b", "WEBHOOK_TOKEN": "c"}
    found = Settings.from_environment(environment)
    assert (found.slack_signing_secret, found.slack_bot_token, found.webhook_token) == ("a", "b", "c")


def test_the_environment_wins_over_the_file_and_an_empty_variable_is_none(folder):
    write(folder, 'port = 1\nhost = "h"\ncontact = "from the file"')
    found = read({"MUNDAP_PORT": "2", "MUNDAP_HOST": "", "MUNDAP_CONTACT": " "})
    assert (found.settings.port, found.settings.host, found.settings.contact) == (2, "h", "from the file")
    assert [found.sources[name] for name in ("port", "host", "log")] == [
        "environment MUNDAP_PORT",
        "mundap.toml:host",
        "default",
    ]


def test_a_journal_is_kept_unless_it_is_switched_off(folder):
    assert Settings().journal is None
    assert Settings.from_environment({}).journal == Path("data/journal.db")
    assert Settings.from_environment({"MUNDAP_JOURNAL": "OFF"}).journal is None
    for value in ("false", '"off"', '""'):
        write(folder, f"journal = {value}")
        assert Settings.from_environment({}).journal is None


def test_without_anything_the_rest_is_as_in_the_class():
    found, default = Settings.from_environment({}), Settings()
    assert all(
        getattr(found, one.name) == getattr(default, one.name) for one in fields(Settings) if one.name != "journal"
    )


def test_the_file_may_lie_elsewhere_and_have_a_byte_order_mark(folder):
    (folder / "other.toml").write_bytes("\ufeffport = 5".encode())
    found = read({"MUNDAP_CONFIG": "other.toml"})
    assert (found.settings.port, found.sources["port"]) == (5, "other.toml:port")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('port = "abc"', "mundap.toml:port is 'abc': set it to a number from 0 to 65535."),
        ("port = true", "mundap.toml:port is True: set it to a number from 0 to 65535."),
        ("port = -1", "mundap.toml:port is -1: set it to a number from 0 to 65535."),
        ("retention_day = 3", "mundap.toml:retention_day is no setting. Did you mean retention_days?"),
        ("per-client = '1/s'", "mundap.toml:per-client is no setting. Did you mean per_client?"),
        ("[web]\nport = 1", "mundap.toml:web is no setting. All of them: bot settings --example"),
        ("host = 1", "mundap.toml:host is no text: write it in quotation marks."),
        ('index = ""', "mundap.toml:index is empty: write a path."),
        ('origins = ["https://a.example", 1]', "mundap.toml:origins is no list of texts"),
        ("port = ", "mundap.toml is not TOML: Invalid value (at end of document). Compare"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_one_line_that_names_the_key(text, sentence, folder):
    write(folder, text)
    with pytest.raises(UserError) as caught:
        read({})
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("MUNDAP_PORT", "65536", "MUNDAP_PORT is '65536': set it to a number from 0 to 65535."),
        ("MUNDAP_PORT", "²", "MUNDAP_PORT is '²': set it to a number from 0 to 65535."),
        ("MUNDAP_PORT", "tcp://10.0.0.7:80", "MUNDAP_PORT is 'tcp://10.0.0.7:80': set it to a number from 0 to 65535"),
        ("MUNDAP_PROXIES", "11", "MUNDAP_PROXIES is '11': set it to a number from 0 to 10."),
        ("MUNDAP_RETENTION_DAYS", "1.5", "MUNDAP_RETENTION_DAYS is '1.5': set it to a number from 0 to 36500."),
        ("MUNDAP_MASK", "maybe", "MUNDAP_MASK is 'maybe': set it to on or off"),
        ("MUNDAP_LOG", "xml", "MUNDAP_LOG is 'xml': set it to text or json."),
        ("MUNDAP_ORIGINS", "https://a.example,https://b.example/", "MUNDAP_ORIGINS, number 2 ('https://b.example/'), "),
        ("MUNDAP_ORIGINS", "shop.example", "MUNDAP_ORIGINS, number 1 ('shop.example'), cannot be used: write an"),
        ("MUNDAP_API_KEYS", "opensesame", "MUNDAP_API_KEYS, number 1 (10 characters), cannot be used: write 64 hex"),
        ("MUNDAP_CONFIG", "gone.toml", "MUNDAP_CONFIG names gone.toml, which is not there. Type: bot settings"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_environment_is_one_line_that_names_the_variable(name, value, sentence):
    with pytest.raises(UserError) as caught:
        read({name: value})
    assert str(caught.value).startswith(sentence)
    assert "opensesame" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SECRETS)
def test_no_error_shows_a_secret(name, folder):
    secret = "top\x01secret"
    with pytest.raises(UserError) as caught:
        read(as_environment(**{name: secret}))
    assert "secret" not in str(caught.value).replace(
        variable_of(next(f for f in fields(Settings) if f.name == name)).lower(), ""
    )


def test_a_file_that_is_not_utf8_is_named(folder):
    (folder / "mundap.toml").write_bytes('contact = "고객"'.encode("cp949"))
    with pytest.raises(UserError, match=r"mundap\.toml is not UTF-8"):
        read({})


def test_a_variable_that_is_none_of_ours_is_a_warning_with_the_nearest(caplog):
    caplog.set_level(logging.WARNING)
    found = {"MUNDAP_RETENTION": "3", "MUNDAP_SLACK_BOT_TOKEN": "t", "MUNDAP_SERVICE_HOST_XYZ": "h", "OTHER": "x"}
    Settings.from_environment(found)
    assert [record.getMessage() for record in caplog.records] == [
        "MUNDAP_RETENTION is no setting and is ignored. Did you mean MUNDAP_RETENTION_DAYS? Type: bot settings",
        "MUNDAP_SERVICE_HOST_XYZ is no setting and is ignored. Type: bot settings",
        "MUNDAP_SLACK_BOT_TOKEN is no setting and is ignored. Did you mean SLACK_BOT_TOKEN? Type: bot settings",
    ]


def test_the_command_shows_value_and_source_and_masks_secrets(folder):
    write(folder, 'host = "::1"\nslack_signing_secret = "0123456789abcdef"')
    outcome = run(MUNDAP_PORT="9001", WEBHOOK_TOKEN="123456789012", MUNDAP_API_KEYS="a" * 64, MUNDAP_JOURNAL="off")
    lines = {line.split()[0]: line.split(None, 1)[1] for line in outcome.stdout.splitlines()}
    assert outcome.exit_code == 0
    assert set(lines) == {one.name for one in fields(Settings)}
    told = {name: " ".join(line.split()) for name, line in lines.items()}
    assert told["port"] == "9001 environment MUNDAP_PORT"
    assert told["host"] == "::1 mundap.toml:host"
    assert told["journal"] == "off environment MUNDAP_JOURNAL"
    assert told["slack_signing_secret"] == "set, ends in ...cdef mundap.toml:slack_signing_secret"
    assert told["webhook_token"] == "set environment WEBHOOK_TOKEN"
    assert told["api_keys"] == "1 set environment MUNDAP_API_KEYS"
    assert told["overall"] == "off default"
    assert told["slack_bot_token"] == "- default"
    for secret in ("0123456789ab", "123456789012", "aaaaa"):
        assert secret not in outcome.output


def test_the_json_says_the_same():
    outcome = run("--json", MUNDAP_PORT="9001", WEBHOOK_TOKEN="1234567890123456")
    found = json.loads(outcome.stdout)
    assert list(found) == [one.name for one in fields(Settings)]
    assert found["port"] == {"value": "9001", "from": "environment MUNDAP_PORT"}
    assert found["webhook_token"] == {"value": "set, ends in ...3456", "from": "environment WEBHOOK_TOKEN"}


def test_the_example_holds_every_setting_with_its_default(folder):
    example = run("--example").stdout
    assert tomllib.loads(example) == {}
    write(
        folder,
        "\n".join(line[1:] if line.startswith("#") and line[1] != " " else line for line in example.splitlines()),
    )
    found = read({})
    assert found.settings == Settings.from_environment({})
    assert set(found.sources.values()) == {f"mundap.toml:{one.name}" for one in fields(Settings)}


def test_a_new_key_comes_with_its_hash():
    lines = dict(line.split(":", 1) for line in run("--new-key").stdout.splitlines() if ":" in line)
    key, hashed = (value.strip() for value in lines.values())
    assert sha256(key.encode()).hexdigest() == hashed
    assert Settings.from_environment({"MUNDAP_API_KEYS": hashed}).api_keys == (hashed,)
    assert key not in run("--new-key").stdout


def test_a_mistake_is_one_line_and_exit_code_2():
    outcome = run(MUNDAP_PORT="abc")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr == "Error: MUNDAP_PORT is 'abc': set it to a number from 0 to 65535.\n"


def test_every_setting_says_what_it_is_for():
    assert all(one.metadata.get("about") for one in fields(Settings))
    assert set(EVERY) == {one.name for one in fields(Settings)}
    assert configuring.EXAMPLE.count("mundap.toml") == 1
