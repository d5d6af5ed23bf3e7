"""A row, apart from the reading of sheets: who answers needs none of that."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the sheet: one wording of one entry."""

    id: str
    entry: str
    question: str
    answer: str
    extra: Mapping[str, str] = field(default_factory=dict)  # category, lang, url and every other column
