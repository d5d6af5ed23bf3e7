"""Settings: the only place that reads the environment, and a TOML file beside it."""

import logging
import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from indexer.errors import UserError

FILE, NAMED_BY = "mundap.toml", "MUNDAP_CONFIG"
USUAL = {  # names that the services themselves use
    "slack_signing_secret": "SLACK_SIGNING_SECRET",
    "slack_bot_token": "SLACK_BOT_TOKEN",
    "webhook_token": "WEBHOOK_TOKEN",
    "openai_api_key": "OPENAI_API_KEY",
}
ORIGIN = r"\*|https?://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d{1,5})?"
A_HASH = r"[0-9a-f]{64}"
LOG = logging.getLogger(__name__)


def about(what: str, **more: Any) -> dict[str, Any]:
    """Say what a setting is for, and what it may be: most, choices, form and say, secret, off, unset.

    `off` is the value for the word off, `unset` the value where settings are read and nothing is said of this one.
    """
    return {"about": what, **more}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator may set, with its defaults."""

    index: Path = field(default=Path("data/index"), metadata=about("folder of the index"))
    host: str = field(default="127.0.0.1", metadata=about("address to listen on; 0.0.0.0 for every one"))
    port: int = field(default=8000, metadata=about("port; 0 picks a free one", most=65535))
    journal: Path | None = field(  # None: nowhere
        default=None,
        metadata=about("file that every exchange is written to, or off", off=None, unset=Path("data/journal.db")),
    )
    retention_days: int = field(
        default=90, metadata=about("days until an exchange leaves the journal; 0: it stays", most=36_500)
    )
    mask: bool = field(default=True, metadata=about("personal data is masked before it is written"))
    contact: str = field(default="", metadata=about("where a person can be reached: words, an address or a URL"))
    generator: str = field(
        default="", metadata=about("what may write where no stored answer is sure, such as causal:PATH, or off", off="")
    )
    classifier: Path | None = field(
        default=None,
        metadata=about(
            "folder of `bot train classify`: a message's topic goes to trace and journal; loads torch", off=None
        ),
    )
    upset: tuple[str, ...] = field(
        default=(), metadata=about("labels of the classifier that mean an upset visitor, who is offered the contact")
    )
    reader: Path | None = field(
        default=None,
        metadata=about("folder of `bot train read`: marks the sentence that answers; loads torch", off=None),
    )
    shorten: int = field(
        default=0,
        metadata=about(
            "characters beyond which Slack and narrow pages show one sentence of an answer first; 0: never",
            most=100_000,
        ),
    )
    shortener: Path | None = field(
        default=None,
        metadata=about(
            "folder of `bot train seq2seq`: writes the short form where no reader names it; loads torch", off=None
        ),
    )
    tagger: Path | None = field(
        default=None,
        metadata=about(
            "folder of `bot train tag`: names, dates and the like go to the trace, and names are masked"
            " in the journal beside the rules of mask; loads torch",
            off=None,
        ),
    )
    entailment: Path | None = field(
        default=None, metadata=about("folder of a pair model that checks what a generator writes, or off", off=None)
    )
    openai_api_key: str = field(default="", metadata=about("key of the server of an openai: generator", secret=True))
    slack_signing_secret: str = field(default="", metadata=about("from Slack's page Basic Information", secret=True))
    slack_bot_token: str = field(default="", metadata=about("from Slack's page OAuth & Permissions", secret=True))
    slack_inbox: Path = field(
        default=Path("data/slack.db"), metadata=about("file of the Slack events, and what became of them")
    )
    webhook_token: str = field(default="", metadata=about("word that opens POST /webhook; closed without", secret=True))
    origins: tuple[str, ...] = field(
        default=(),
        metadata=about(
            "sites that may show the widget and call the API from a browser",
            form=ORIGIN, say='an origin as browsers send it, such as "https://shop.example" without a path, or "*"',
        ),
    )  # fmt: skip
    api_keys: tuple[str, ...] = field(
        default=(),
        metadata=about(
            "SHA-256 of each key that opens the API; none: no key is asked for",
            form=A_HASH, say="64 hexadecimal digits, the SHA-256 of a key. Type: bot settings --new-key", secret=True,
        ),
    )  # fmt: skip
    per_client: str = field(
        default="120 per minute",
        metadata=about("requests of one client, in the words of Flask-Limiter, or off", off=""),
    )
    overall: str = field(default="", metadata=about("requests of all clients together, likewise", off=""))
    proxies: int = field(
        default=0,
        metadata=about("proxies in front whose X-Forwarded-For is believed; a wrong number is unsafe", most=10),
    )
    log: str = field(default="text", metadata=about("form of the log", choices=("text", "json")))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the environment, then the file that MUNDAP_CONFIG names or ./mundap.toml, then the defaults.

        Raises:
            UserError: a value cannot be used, or the file cannot; the text names the variable or FILE:KEY.
        """
        found = read(environment)
        for warning in found.warnings:
            LOG.warning(warning)
        return found.settings


class Found(NamedTuple):
    """Settings, and where each comes from: `default`, `environment NAME` or FILE:KEY."""

    settings: Settings
    sources: Mapping[str, str]
    warnings: list[str]


def read(environment: Mapping[str, str] | None = None) -> Found:
    """Read the settings that are in force. A variable that is empty counts as not set."""
    from bot.values import read_value

    given = os.environ if environment is None else environment
    path, file = read_file(given.get(NAMED_BY, ""))
    values, sources = {}, {}
    for one in fields(Settings):
        name, variable = one.name, variable_of(one)
        if given.get(variable, "").strip():
            values[name], sources[name] = read_value(one, given[variable].strip(), variable), f"environment {variable}"
        elif name in file:
            values[name], sources[name] = read_value(one, file[name], f"{path}:{name}"), f"{path}:{name}"
        else:
            values[name], sources[name] = one.metadata.get("unset", one.default), "default"
    return Found(Settings(**values), sources, unknown_variables(given))


def read_file(named: str) -> tuple[Path, dict[str, Any]]:
    """Read the TOML file; where none is named it may be missing."""
    import tomllib

    path = Path(named.strip() or FILE)
    try:
        found = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        if not named.strip():
            return path, {}
        raise UserError(
            f"{NAMED_BY} names {path}, which is not there. Type: bot settings --example > {path}"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8. Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not TOML: {error}. Compare it with: bot settings --example") from error
    known = [one.name for one in fields(Settings)]
    for key in found:
        if key not in known:
            raise UserError(
                f"{path}:{key} is no setting.{did_you_mean(key, known)} All of them: bot settings --example"
            )
    return path, found


def variable_of(one: "Field[Any]") -> str:
    """Give the environment variable of a setting."""
    return USUAL.get(one.name, f"MUNDAP_{one.name.upper()}")


def unknown_variables(given: Mapping[str, str]) -> list[str]:
    """Name the variables that look like ours and are not; a warning only, for other programs may set them."""
    known = [variable_of(one) for one in fields(Settings)] + [NAMED_BY]
    unknown = sorted(name for name in given if name.startswith("MUNDAP_") and name not in known)
    return [f"{name} is no setting and is ignored.{did_you_mean(name, known)} Type: bot settings" for name in unknown]


def did_you_mean(word: str, known: list[str]) -> str:
    """Give the nearest known name in a sentence, or nothing."""
    from difflib import get_close_matches

    bare = {name.lower().removeprefix("mundap_"): name for name in known}
    near = get_close_matches(word.lower().removeprefix("mundap_").replace("-", "_"), bare, 1, 0.6)
    return f" Did you mean {bare[near[0]]}?" if near else ""
