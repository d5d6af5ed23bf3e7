"""Settings: the only place that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import UserError


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator may set, with its defaults."""

    index: Path = Path("data/index")
    host: str = "127.0.0.1"
    port: int = 8000
    journal: Path | None = None  # where every exchange is written; None: nowhere
    retention_days: int = 90  # what is older leaves the journal; 0: nothing does
    mask: bool = True  # personal data is masked before it is written
    contact: str = ""  # where a person can be reached, in words, an address or a URL
    slack_signing_secret: str = ""
    slack_bot_token: str = ""
    slack_inbox: Path = Path("data/slack.db")  # events acknowledged, and what became of them
    webhook_token: str = ""
    origins: tuple[str, ...] = ()  # sites that may show the widget and call the API from a browser
    api_keys: tuple[str, ...] = ()  # SHA-256 of each key; none: no key is asked for
    per_client: str = "120 per minute"  # in the words of Flask-Limiter; empty: no limit
    overall: str = ""
    proxies: int = 0  # proxies in front whose X-Forwarded-For is believed
    log: str = "text"  # text or json

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read MUNDAP_INDEX, MUNDAP_HOST and MUNDAP_PORT."""
        found = os.environ if environment is None else environment
        default = cls()
        port = found.get("MUNDAP_PORT", str(default.port))
        if not port.isdecimal() or int(port) > 65535:
            raise UserError(f"MUNDAP_PORT is {port!r}: set it to a number from 0 to 65535.")
        index = Path(found.get("MUNDAP_INDEX", default.index))
        return cls(index, found.get("MUNDAP_HOST", default.host), int(port))
