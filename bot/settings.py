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
