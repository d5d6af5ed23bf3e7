"""A journal in memory, for what the web writes into it."""

from dataclasses import dataclass, field

from bot.answer import Answer


@dataclass
class FakeJournal:
    """Names exchanges x1, x2, ... and remembers what was said of them."""

    exchanges: list[tuple[str, str, str | None]] = field(default_factory=list)  # message, channel, session
    notes: list[tuple[str, str]] = field(default_factory=list)  # exchange, "vote up" or "chose q1"

    def record(self, message: str, answer: Answer, channel: str, session: str | None, ms: float) -> str:
        assert answer.text
        assert ms >= 0
        self.exchanges.append((message, channel, session))
        return f"x{len(self.exchanges)}"

    def vote(self, exchange: str, vote: str) -> bool:
        return self.note(exchange, f"vote {vote}")

    def choose(self, exchange: str, row: str) -> bool:
        return self.note(exchange, f"chose {row}")

    def note(self, exchange: str, what: str) -> bool:
        known = exchange in {f"x{number}" for number in range(1, len(self.exchanges) + 1)}
        if known:
            self.notes.append((exchange, what))
        return known

    def close(self) -> None:
        """Nothing waits."""
