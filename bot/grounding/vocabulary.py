"""The words that `bot.grounding` looks for, from words.txt: turns of meaning, numbers, empty words, other forms."""

import re
from pathlib import Path

FILE = Path(__file__).with_name("words.txt")


def sections(path: Path = FILE) -> dict[str, list[str]]:
    """Read the lines of each [section]; empty lines and those that begin with # are left out."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            lines = found.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


def _words(name: str) -> list[str]:
    return " ".join(SECTIONS[name]).split()


def _pairs(name: str) -> dict[str, str]:
    return dict(word.split(":", 1) for word in _words(name))


def _patterns(prefix: str) -> dict[str, re.Pattern[str]]:
    return {
        name.removeprefix(prefix): re.compile("|".join(lines), re.IGNORECASE)
        for name, lines in SECTIONS.items()
        if name.startswith(prefix)
    }


SECTIONS = sections()
TURNS, GRANTED = _patterns("turns "), _patterns("granted ")
PHRASES = [re.compile(line.partition(" > ")[0]) for line in SECTIONS["phrases en"]]
MEANT = [line.partition(" > ")[2] for line in SECTIONS["phrases en"]]
NUMBERS_ENGLISH, NUMBERS_KOREAN = _pairs("numbers en"), _pairs("numbers ko")
EMPTY_ENGLISH, EMPTY_KOREAN = frozenset(_words("empty en")), frozenset(_words("empty ko"))
SAME_ENGLISH, SAME_KOREAN = _pairs("same en"), _pairs("same ko")
LIGHT_ENGLISH, LIGHT_KOREAN = frozenset(_words("light en")), frozenset(_words("light ko"))
NO_PARTICLE = frozenset(_words("no particle"))
