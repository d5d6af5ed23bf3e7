"""The report's tables and tiles: the worst messages, the entries that are mixed up, the figures in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer.confusable import near_pairs
from indexer.evaluate import Result
from indexer.report.figures import Sentences, percent
from indexer.report.measures import Share, answered, missed, off_topic, on_topic
from indexer.row import Row

SHOWN, PAIRS = 30, 15
MOST_COMPARED = 20_000  # rows whose wordings are compared with one another
FEWEST_OF_100 = 50  # messages from which "of 100" is said rather than the count


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a caption; `kinds` names the columns that hold a number, or a word ("mark") kept whole."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    kinds: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Tile:
    """One large figure with what it counts and how far it may be off."""

    value: str
    label: str
    interval: str
    count: str


def lead(results: Sequence[Result], t: Sentences) -> list[str]:
    """Say in whole sentences how the run went."""
    on, off, given = on_topic(results), off_topic(results), answered(results)
    parts = (
        ("lead_on", "served", _decided(on, "answer", "choose")),
        ("lead_given", "wrong", Share(sum(not result.right(1) for result in given), len(given))),
        ("lead_off", "refused", _decided(off, "abstain")),
    )
    return [_of_100(t[name], word, share, t) for name, word, share in parts if share.whole]


def tiles(results: Sequence[Result], t: Sentences) -> list[Tile]:
    """Give the figures of the summary."""
    on, off, given = on_topic(results), off_topic(results), answered(results)
    shares = {
        "tile_first": Share(sum(result.right(1) for result in on), len(on)),
        "tile_five": Share(sum(result.right(5) for result in on), len(on)),
        "tile_served": _decided(on, "answer", "choose"),
        "tile_coverage": _decided(on, "answer"),
        "tile_risk": Share(sum(not result.right(1) for result in given), len(given)),
        "tile_refused": _decided(off, "abstain"),
    }
    return [_tile(t[name], share, t) for name, share in shares.items()]


def worst(results: Sequence[Result], questions: Mapping[str, str], t: Sentences) -> Table | str:
    """List the on-topic messages whose first entry is wrong, the surest first; `questions` names entries."""
    wrong = missed(results)
    if not wrong:
        return t["no_wrong" if on_topic(results) else "no_on_topic"]
    head = [t["message"], t["expected"], t["came"], t["decision"], t["sure"]]
    rows = [
        [result.query.text, _expected(result, questions), _came(result, t), *_decision(result, t)]
        for result in wrong[:SHOWN]
    ]
    return Table(t["worst_table"].format(shown=len(rows), all=len(wrong)), head, rows, {3: "mark", 4: "number"})


def strangers(results: Sequence[Result], t: Sentences) -> Table | str:
    """List the off-topic messages that got an answer, the surest first."""
    off = off_topic(results)
    given = sorted(answered(off), key=lambda result: -result.judgement.probability)
    if not given:
        return t["no_off_answered" if off else "no_off_topic"]
    rows = [[result.query.text, _came(result, t), _decision(result, t)[1]] for result in given[:SHOWN]]
    caption = t["off_table"].format(shown=len(rows), all=len(given))
    return Table(caption, [t["message"], t["came"], t["sure"]], rows, {2: "number"})


def confused(results: Sequence[Result], questions: Mapping[str, str], t: Sentences) -> Table | str:
    """Count which entries were taken for one another, with a message of each pair."""
    counted: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for result in missed(results):
        wanted = [entry for entry, value in result.relevant.items() if value > 0 and entry in questions]
        if wanted and result.candidates:
            one, other = sorted([wanted[0], result.candidates[0].entry])
            counted[one, other] += 1
            examples.setdefault((one, other), result.query.text)
    if not counted:
        return t["no_confused"]
    rows = [
        [questions[one], questions[other], str(times), examples[one, other]]
        for (one, other), times in counted.most_common(PAIRS)
    ]
    return Table(t["confused_table"], [t["one"], t["other"], t["times"], t["example"]], rows, {2: "number"})


def near(rows: Sequence[Row], t: Sentences) -> Table | str:
    """List the wordings of different entries that are nearly the same."""
    rows = rows[:MOST_COMPARED]
    pairs = sorted(near_pairs([row.question for row in rows], [row.entry for row in rows]), reverse=True)[:PAIRS]
    if not pairs:
        return t["no_near"]
    cells = [[rows[one].question, rows[other].question, percent(alike)] for alike, one, other in pairs]
    return Table(t["near_table"], [t["one"], t["other"], t["likeness"]], cells, {2: "number"})


def _of_100(sentence: str, word: str, share: Share, t: Sentences) -> str:
    if share.whole < FEWEST_OF_100:
        return sentence.format(of=t["few"].format(n=share.whole), **{word: share.part})
    return sentence.format(of=t["many"], **{word: round(100 * share.value)})


def _tile(label: str, share: Share, t: Sentences) -> Tile:
    if not share.whole:
        return Tile("–", label, t["none"], "")
    low, high = share.interval
    interval = t["interval"].format(low=percent(low), high=percent(high))
    return Tile(percent(share.value), label, interval, t["count"].format(part=share.part, whole=share.whole))


def _decided(results: Sequence[Result], *decisions: str) -> Share:
    return Share(sum(result.judgement.decision in decisions for result in results), len(results))


def _expected(result: Result, questions: Mapping[str, str]) -> str:
    names = [name for name, value in result.relevant.items() if value > 0]
    return " / ".join(questions.get(name, name) for name in names[:3])


def _came(result: Result, t: Sentences) -> str:
    return result.candidates[0].row.question if result.candidates else t["nothing"]


def _decision(result: Result, t: Sentences) -> list[str]:
    return [t[result.judgement.decision], percent(result.judgement.probability)]
