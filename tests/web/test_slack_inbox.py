"""The inbox by itself, under a clock that stands still; and the blocks by their limits."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.slack_blocks import SECTION, cut, plain, sections, value_of
from web.slack_inbox import KEPT, LEASE, SETTLING, Event, Inbox

Boxes = Callable[[int], list[Inbox]]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def event(ts: str, session: str = "", team: str = "T1") -> Event:
    return Event(team, "C1", ts, "message", session or f"{team} {ts}", {"text": "질문", "ts": ts})


@pytest.fixture
def boxes(tmp_path: Path, clock: Clock) -> Iterator[Callable[[int], list[Inbox]]]:
    """Open one file several times, as several processes do."""
    made: list[Inbox] = []

    def make(number: int) -> list[Inbox]:
        made.extend(Inbox(tmp_path / "slack.db", clock) for _ in range(number))
        for one in made:
            one.live()
        return made

    yield make
    for one in made:
        one.close()


def test_one_event_is_kept_once_and_claimed_once(boxes: Boxes) -> None:
    one, other = boxes(2)
    assert one.put(event("1"))
    assert not other.put(event("1"))
    assert one.put(event("1", team="T2"))
    claimed = one.claim()
    assert claimed is not None
    assert (claimed.key, claimed.payload, claimed.attempts, claimed.received) == (
        "T1:C1:1",
        {"text": "질문", "ts": "1"},
        1,
        1000,
    )
    second = other.claim()
    assert second is not None
    assert second.key == "T2:C1:1"
    assert one.claim() is other.claim() is None
    assert one.finish(claimed)
    assert not one.finish(claimed)
    assert not other.put(event("1"))


def test_a_claim_ends_with_its_lease_and_the_late_one_changes_nothing(boxes: Boxes, clock: Clock) -> None:
    one, other = boxes(2)
    one.put(event("1"))
    slow = one.claim()
    assert slow is not None
    clock.now += LEASE - 1
    assert other.claim() is None
    assert one.sending(slow, {"call": "x"})  # each step renews it
    clock.now += LEASE - 1
    assert other.claim() is None
    clock.now += 1
    quick = other.claim()
    assert quick is not None
    assert (quick.reply, quick.sent, quick.attempts) == ({"call": "x"}, True, 2)
    assert not one.sending(slow, {"call": "y"})
    assert not one.later(slow, 0, sent=False)
    assert not one.finish(slow)
    assert other.finish(quick)


def test_who_has_ended_loses_its_claims_at_once(boxes: Boxes, tmp_path: Path) -> None:
    dead, hung, alive = boxes(3)
    for number in "123":
        dead.put(event(number))
    assert dead.claim()
    assert hung.claim()
    dead._alive.release()  # type: ignore[union-attr]  # as the system does when a process is killed
    alive.take_over()
    assert [found.ts for found in iter(alive.claim, None)] == ["1", "3"]
    assert len(list(tmp_path.glob("*.alive"))) == 2
    hung.close()
    assert (found := alive.claim()) is not None
    assert found.key == "T1:C1:2"


def test_what_a_killed_process_may_have_posted_is_given_time_to_show(boxes: Boxes, clock: Clock) -> None:
    dead, alive = boxes(2)
    dead.put(event("1"))
    claimed = dead.claim()
    assert claimed is not None
    dead.sending(claimed, {"call": "x"})
    dead._alive.release()  # type: ignore[union-attr]
    alive.take_over()
    assert alive.claim() is None
    clock.now += SETTLING
    assert (found := alive.claim()) is not None
    assert (found.sent, found.reply) == (True, {"call": "x"})


def test_a_conversation_is_claimed_in_its_order(boxes: Boxes, clock: Clock) -> None:
    one, other = boxes(2)
    for ts, name in (("1", "a"), ("2", "a"), ("3", "b")):
        one.put(event(ts, name))
    first, third = one.claim(), other.claim()
    assert first is not None
    assert third is not None
    assert (first.ts, third.ts) == ("1", "3")
    assert other.claim() is None
    assert other.wait(5) == 5  # nobody turns round and round for what is not free
    one.later(first, 3, sent=False)
    assert other.claim() is None
    assert other.wait(5) == 3
    clock.now += 3
    again = other.claim()
    assert again is not None
    assert (again.ts, again.attempts, again.sent) == ("1", 2, False)
    other.finish(again)
    assert (found := one.claim()) is not None
    assert found.ts == "2"


def test_a_workspace_that_says_wait_is_left_alone(boxes: Boxes, clock: Clock) -> None:
    (box,) = boxes(1)
    box.put(event("1"))
    box.put(event("2", team="T2"))
    box.pause("T1", 30)
    assert [found.team for found in iter(box.claim, None)] == ["T2"]
    clock.now += 30
    assert (found := box.claim()) is not None
    assert found.team == "T1"


def test_what_is_older_than_a_week_is_dropped(boxes: Boxes, clock: Clock) -> None:
    (box,) = boxes(1)
    box.put(event("1"))
    box.put(event("2"))
    first = box.claim()
    assert first is not None
    box.finish(first)  # and the second nobody ever works on
    clock.now += KEPT
    box.put(event("3"))
    box.purge()
    assert not any(box.put(event(number)) for number in "123")
    clock.now += 1
    box.purge()
    assert [box.put(event(number)) for number in "123"] == [True, True, False]


def test_only_the_owner_may_read_the_file(boxes: Boxes) -> None:
    (box,) = boxes(1)
    assert box.path.stat().st_mode & 0o077 == 0


@given(st.text(st.sampled_from("a&<>é한 \nhtps:/.x"), max_size=9_000) | st.text(max_size=200))
def test_sections_hold_the_text_within_the_limit(text: str) -> None:
    found = [block["text"]["text"] for block in sections(text)]
    assert all(0 < len(share) <= SECTION for share in found)
    shown, whole = ("".join(part.split()) for part in ("".join(map(plain, found)), text))
    assert whole.startswith(shown.removesuffix("…")) if shown.endswith("…") else shown == whole


def test_addresses_are_links_and_the_rest_is_text() -> None:
    (block,) = sections("See https://shop.example/a?b=1&c=2. Or <b>, a_b & http://x.example/(1)!")
    assert block["text"]["text"] == (
        "See <https://shop.example/a?b=1&amp;c=2>. Or &lt;b&gt;, a_b &amp; <http://x.example/(1>)!"
    )


def test_a_button_knows_its_row_however_long_the_question_is() -> None:
    for question in ('"\\' * 5_000, "질문" * 5_000):
        value = value_of("x" * 32, {"id": "r1", "question": question})
        assert len(value) <= 2000
        assert '"row": "r1"' in value
    assert cut("12345", 5) == "12345"
    assert cut("123456", 5) == "1234…"
