"""Follow-ups: what the conversation is worth for messages that lean on it, and whether it harms those that do not.

Run: python benchmarks/dialogues.py [--index data/index] [--dialogues data/dialogues.csv] [--orders 5] [--show]
First: R@1 of the second turns of data/dialogues.csv, each asked by itself and after its first turn, with a paired
test (exact sign test, McNemar 1947, doi:10.1007/BF02295996). Then: all messages of data/queries.csv in one session, in
random orders, so that each follows one that has nothing to do with it, against the same messages without a session.
"""

import argparse
import csv
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scipy.stats import binomtest

from bot import open_bot
from bot.answer import Answer, Bot
from indexer.queries import Query, of_rows, read_queries


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, default=Path("data/index"))
    parser.add_argument("--dialogues", type=Path, default=Path("data/dialogues.csv"))
    parser.add_argument("--orders", type=int, default=5)
    parser.add_argument("--show", action="store_true", help="print what each dialogue of part dev found")
    arguments = parser.parse_args()
    bot = open_bot(arguments.index)
    with arguments.dialogues.open(encoding="utf-8") as lines:
        dialogues = list(csv.DictReader(lines))
    follow_ups(bot, dialogues, arguments.show)
    rows = bot.index.database.rows(bot.index.facts.generation)
    entry_of = {row.id: row.entry for row in rows}
    queries = of_rows(read_queries("data/queries.csv", "data/qrels.csv"), rows)
    wanted = {query.text: {entry_of[row] for row, value in query.relevance.items() if value > 0} for query in queries}
    unrelated(bot, queries, wanted, arguments.orders)


def follow_ups(bot: Bot, dialogues: Sequence[dict[str, str]], show: bool) -> None:
    """Compare the second turns asked alone and in their conversation."""
    alone = [bot.answer(one["second"]) for one in dialogues]
    within = [in_conversation(bot, one) for one in dialogues]
    print(f"{'second turns':12} {'n':>3} {'alone':>6} {'within':>6} {'gained':>6} {'lost':>4} {'p':>7} answered wrong")
    for name, part in parts(dialogues):
        right = [(is_right(alone[at], dialogues[at]), is_right(within[at], dialogues[at])) for at in part]
        gained, lost = right.count((False, True)), right.count((True, False))
        p = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
        shares = [sum(pair[which] for pair in right) / len(part) for which in (0, 1)]
        given = [at for at in part if within[at].decision == "answer"]
        wrong = sum(not is_right(within[at], dialogues[at]) for at in given)
        print(
            f"{name:12} {len(part):3} {shares[0]:6.3f} {shares[1]:6.3f} {gained:6} {lost:4} {p:7.4f} "
            f"{len(given):8} {wrong:5}"
        )
    for at, one in enumerate(dialogues):
        if show and one["part"] == "dev":
            print(one["id"], one["second"], "|", one["entry"], "|", first(alone[at]), "->", first(within[at]))


def parts(dialogues: Sequence[dict[str, str]]) -> list[tuple[str, list[int]]]:
    """Give the places of the dialogues by part, by language in the part, and all."""
    names = [(part, lang) for part in ("dev", "test") for lang in ("en", "ko", "")]
    found = [
        (f"{part} {lang}", [at for at, one in enumerate(dialogues) if one["part"] == part and lang in one["lang"]])
        for part, lang in names
    ]
    return [*found, ("all", list(range(len(dialogues))))]


def in_conversation(bot: Bot, dialogue: dict[str, str]) -> Answer:
    """Ask both turns in a session of their own; give the second answer."""
    bot.answer(dialogue["first"], session=dialogue["id"])
    return bot.answer(dialogue["second"], session=dialogue["id"])


def unrelated(bot: Bot, queries: Sequence[Query], wanted: dict[str, set[str]], orders: int) -> None:
    """Compare messages that follow one that has nothing to do with them with the same messages asked alone."""
    texts = [query.text for query in queries]
    alone = {text: bot.answer(text) for text in texts}
    counts: Counter[str] = Counter()
    for seed in range(orders):
        random.Random(seed).shuffle(texts)
        for text in texts:
            answer = bot.answer(text, session=f"order {seed}")
            before, now = fate(alone[text], wanted[text]), fate(answer, wanted[text])
            counts["followed"] += bool(answer.trace.get("followed"))
            counts["decision"] += answer.decision != alone[text].decision
            counts["first"] += first(answer) != first(alone[text])
            counts["better"] += now > before
            counts["worse"] += now < before
            counts["right lost"] += first(alone[text]) in wanted[text] and first(answer) not in wanted[text]
            counts["right won"] += first(alone[text]) not in wanted[text] and first(answer) in wanted[text]
    print(f"single turns, {orders} orders of {len(texts)}: ", end="")
    names = ("followed", "decision", "first", "better", "worse", "right won", "right lost")
    print(", ".join(f"{name} {counts[name]}" for name in names))


def fate(answer: Answer, wanted: set[str]) -> int:
    """Rate an answer: 2 right, 1 asked back or rightly refused, 0 refused or asked back without need, -1 wrong."""
    if answer.decision == "answer":
        return 2 if first(answer) in wanted else -1
    return int((answer.decision == "choose") == bool(wanted))


def is_right(answer: Answer, dialogue: dict[str, str]) -> bool:
    """Tell whether the entry of a dialogue was found first."""
    return first(answer) == dialogue["entry"]


def first(answer: Answer) -> str:
    """Give the first entry found."""
    return answer.candidates[0]["entry"] if answer.candidates else ""


if __name__ == "__main__":
    main()
