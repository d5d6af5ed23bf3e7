"""The grounding checker: how much of an honest draft survives, and whether any lie reaches a person.

    python benchmarks/grounding.py                  the checker on cases written after its rules, and on mechanical lies
    python benchmarks/grounding.py --part tune      on those that the rules were made on; `report` was looked at later
    python benchmarks/grounding.py --part heldout   on those by somebody who did not know the rules; for judging alone
    ... --entailment runs/nli                       the same with a pair model beside the rules
    python benchmarks/grounding.py --part limits    on sentences that leave out a condition of their source, or keep it
    python benchmarks/grounding.py --bot            the whole bot against a server on loopback, hostile and honest

A sentence of `hostile.csv` is a lie about its message, whatever is cited; of `drafts.csv` it is true of the entry that
it cites; `heldout.csv` holds both. Mechanical lies are stored sentences with a number changed, or a negation put in or
taken out, and, counted apart, those with a limiting clause left out. `--bot` ends with code 1 where a lie reaches a
person, where the generator is called although it was not to be, or where an answer takes longer than a draft may.
"""

import argparse
import csv
import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot import open_bot
from bot.generate import LONGEST, READ, checker_of, wanted
from bot.grounding import sentences
from bot.grounding.checker import Judge
from bot.grounding.negation import negated
from bot.learning.entailment import open_entailment
from bot.prompting import REFUSAL
from bot.prompting import bare as in_prompt
from indexer.index import Index
from indexer.retrieve import Candidate, Ranked
from indexer.row import Row

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data/grounding"


@dataclass(frozen=True)
class Bench:
    """What cases are checked with: an index, the first row of each entry, and a model of entailment or none."""

    index: Index
    rows: Mapping[str, Row]
    judge: Judge | None


HOSTILE = ("honest", "stalled", "dripping", "broken", "garbage", "500", "endless")  # manners of the server


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, default=ROOT / "data/index")
    parser.add_argument("--part", choices=("tune", "report", "fresh", "limits", "heldout"), default="fresh")
    parser.add_argument("--bot", action="store_true")
    parser.add_argument("--entailment", type=Path, help="folder of a pair model")
    parser.add_argument("-v", action="store_true", help="print each sentence that fell the wrong way")
    chosen = parser.parse_args()
    index = Index.open(chosen.index)
    if chosen.bot:
        return sys.exit(1 if whole_bot(chosen.index) else 0)
    judge = open_entailment(chosen.entailment) if chosen.entailment else None
    bench = Bench(index, by_entry(index), judge)
    print(f"part {chosen.part}")
    for language in ("en", "ko"):
        count(f"honest sentences kept, {language}", honest(bench, chosen.part, language), chosen.v, good=True)
        count(f"lies kept, {language}", lies(bench, chosen.part, language), chosen.v, good=False)
        count(f"mechanical lies kept, {language}", mechanical(bench, language, changed), chosen.v, good=False)
        count(f"limits left out and kept, {language}", mechanical(bench, language, unlimited), chosen.v, good=False)
    return None


def count(what: str, judged: Iterator[tuple[str, str, bool]], told: bool, good: bool) -> None:
    """Print a share, and what was dropped for which reason."""
    found = list(judged)
    kept = sum(one[2] for one in found)
    why = Counter(reason for _, reason, was_kept in found if not was_kept)
    share = kept / len(found) if found else 0.0
    print(f"{what}: {kept} of {len(found)} = {share:.3f}   dropped: {dict(why.most_common())}")
    for text, reason, was_kept in found if told else ():
        if was_kept != good:
            print(f"    {reason or 'kept'}: {text}")


def honest(bench: Bench, part: str, language: str) -> Iterator[tuple[str, str, bool]]:
    """Check the drafts."""
    for case in cases("drafts", part, language):
        candidates = around(bench, case)
        yield from judged(bench, candidates, with_ids(case["draft"], candidates))


def lies(bench: Bench, part: str, language: str) -> Iterator[tuple[str, str, bool]]:
    """Each lie as it is, and without its citation, so that any entry may be found for it."""
    for case in cases("hostile", part, language):
        candidates = around(bench, case)
        if not candidates:
            continue
        yield from judged(bench, candidates, with_ids(case["draft"], candidates))
        yield from judged(bench, candidates, re.sub(r" ?\[\d\]", "", case["draft"]))


def with_ids(draft: str, candidates: list[Candidate]) -> str:
    """Put the ids of the entries where a draft has their places: [1] is the first one that the case names."""
    for place, one in enumerate(candidates, 1):
        draft = draft.replace(f"[{place}]", f"[{one.row.id}]")
    return draft


def mechanical(
    bench: Bench, language: str, lies_of: Callable[[str, str], Iterator[str]]
) -> Iterator[tuple[str, str, bool]]:
    """Check lies made of each stored sentence."""
    for entry, row in bench.rows.items():
        if not entry.endswith(f"-{language}"):
            continue
        candidates = [Candidate(row, Ranked(0, 1.0, 1.0))]
        for sentence in sentences(row.answer):
            for lie in lies_of(sentence, language):
                yield from judged(bench, candidates, lie)


def changed(sentence: str, language: str) -> Iterator[str]:
    """Change a number; turn yes into no, or no into yes."""
    bare = re.sub(r"^\d+[.)]\s*", "", sentence)
    if number := re.search(r"\d+", bare):
        yield f"{bare[: number.start()]}{int(number[0]) + 3}{bare[number.end() :]}"
    turns = {
        "en": [(r"\bcan't\b|\bcannot\b", "can"), (r"\bcan\b(?!')", "cannot"), (r"\bis not\b|\bisn't\b", "is"),
               (r"\bis\b(?! not)", "is not"), (r"\bare\b(?! not)", "are not"), (r"\bwill\b", "will not")],
        "ko": [(r"수 없습니다", "수 있습니다"), (r"수 있습니다", "수 없습니다"), (r"됩니다\.", "되지 않습니다."),
               (r"지 않습니다", "습니다"), (r"합니다\.", "하지 않습니다.")],
    }[language]  # fmt: skip
    for form, other in turns:
        lie = re.sub(form, other, bare, count=1)
        if lie != bare and len(re.findall(form, bare)) == 1 and negated(lie) != negated(bare):
            yield lie
            return


LIMIT = {  # found by other patterns than the checker's own
    "en": re.compile(
        r"^(?:If|Once|Until|Unless|When|After|Before|As long as) [^,;]+, "
        r"|,? (?:only )?(?:if|unless|until|except|as long as|provided|once you) [^,;:.]+(?=[;.])"
    ),
    "ko": re.compile(
        r"^[^,;>]+?(?:[가-힣]면|때만|경우에만|전까지는|통과해야|있어야|경우에는|빼고|제외하고),? "
        r"|(?<= )[가-힣 ]+에 한해 "
    ),
}
STEP = re.compile(
    r"^(?:please|add|ask|attach|check|choose|click|close|confirm|contact|download|enter|include|open|pick|press|select"
    r"|send|sign|start|tap|type|use|wait|work|write)\b|(?:세요|바랍니다|면 됩니다)\.?$",
    re.IGNORECASE,
)


def unlimited(sentence: str, language: str) -> Iterator[str]:
    """Leave out what a sentence is limited by; a step is none the less true without."""
    bare = re.sub(r"^\d+[.)]\s*", "", sentence)
    lie = LIMIT[language].sub("", bare, count=1)
    if lie != bare and len(lie.split()) > 2 and not STEP.search(lie):
        yield lie[0].upper() + lie[1:]


def judged(bench: Bench, candidates: list[Candidate], draft: str) -> Iterator[tuple[str, str, bool]]:
    """Give each sentence, why it is dropped, and whether it is kept."""
    checker = checker_of(bench.index, candidates, bench.judge)
    for sentence in sentences(draft):
        verdict = checker.check(sentence)
        if verdict.cited:
            checker.keep(verdict.text)
        yield sentence, verdict.reason, bool(verdict.cited)


def around(bench: Bench, case: Mapping[str, str]) -> list[Candidate]:
    """Give what a generator would see: the entries that the case names, then what is found for its message."""
    named = case["entries"].split()
    found = [one for one in bench.index.search([case["message"]], READ)[0] if one.entry not in named]
    return [*(Candidate(bench.rows[entry], Ranked(0, 1.0, 1.0)) for entry in named), *found][:READ]


def whole_bot(folder: Path) -> int:
    """Ask all messages of a bot whose server lies, in every manner, or tells the truth; give the number of breaches."""
    sys.path.insert(0, str(ROOT / "tests/bot"))
    logging.disable()
    told = {in_prompt(case["message"]): case for part in ("tune", "report") for case in cases("hostile", part)}
    plain = open_bot(folder)
    expected = {message: wanted(plain.answer(message)) for message in told}
    for kind in ("unanswerable", "injection", "two"):
        asked = [expected[message] for message, case in told.items() if case["kind"] == kind]
        print(f"{kind}: {sum(asked)} of {len(asked)} messages call the generator")
    breaches = sum(hostile(folder, manner, told, expected) for manner in HOSTILE)
    true = [case for part in ("tune", "report", "fresh") for case in cases("drafts", part)]
    survivors(folder, {in_prompt(case["message"]): case for case in true})
    return breaches


def hostile(folder: Path, manner: str, told: Mapping[str, Mapping[str, str]], expected: Mapping[str, bool]) -> int:
    """Ask a bot whose server lies; print and count what breaches the rules."""
    from stub_llm import serving

    with serving(lambda asked, ids: told[asked]["draft"].replace("[1]", f"[{ids[0]}]"), manner) as stub:
        bot = open_bot(folder, generator=f"openai:{stub.base}?model=stub&timeout=0.5")
        slowest, decisions, reached, uncalled = 0.0, Counter[str](), 0, 0
        for message in told:
            before, started = len(stub.asked), time.perf_counter()
            answer = bot.answer(message)
            slowest = max(slowest, time.perf_counter() - started)
            decisions[answer.decision] += 1
            supported = int(answer.trace.get("supported", 0))
            reached += supported
            if supported:
                print(f"    reached a person: {answer.text}")
            if not expected[message] and len(stub.asked) != before:
                uncalled += 1
                print(f"    asked although it was not to be: {message}")
        print(
            f"{manner}: {len(told)} messages, {sum(expected.values())} may be written to, {len(stub.asked)} calls, "
            f"{reached} unsupported sentences reached a person, slowest {slowest:.2f} s, {dict(decisions)}"
        )
    return reached + uncalled + (slowest > LONGEST)


def survivors(folder: Path, told: Mapping[str, Mapping[str, str]]) -> None:
    """Ask a bot whose server tells the truth; print the share of sentences that reach the person."""
    from stub_llm import serving

    lacking: list[str] = []

    def reply(asked: str, ids: Sequence[str]) -> str:
        draft = told[asked]["draft"]
        for place, entry in enumerate(told[asked]["entries"].split(), 1):
            name = next((one for one in ids if one.rpartition("-")[0] == entry), "")
            if not name:
                lacking.append(asked)
                return REFUSAL
            draft = draft.replace(f"[{place}]", f"[{name}]")
        return draft

    with serving(reply) as stub:
        bot = open_bot(folder, generator=stub.spec)
        kept, drafted = 0, 0
        for message, case in told.items():
            before, without = len(stub.asked), len(lacking)
            trace = bot.answer(message).trace
            if len(stub.asked) != before and len(lacking) == without:
                kept += int(trace.get("supported", 0))
                drafted += len(sentences(case["draft"]))
        print(
            f"honest drafts: {len(told)} messages, {len(stub.asked)} calls, {len(lacking)} without the entries that "
            f"the draft cites; {kept} of {drafted} sentences reached the person = {kept / max(drafted, 1):.3f}"
        )


def by_entry(index: Index) -> dict[str, Row]:
    """Give each entry's first row."""
    return {row.entry: row for row in reversed(index.database.rows(index.facts.generation))}


def cases(name: str, part: str, language: str = "") -> Iterator[dict[str, str]]:
    """Read the cases of a part; `heldout` has a file of its own, with a column that parts true from false."""
    file_of = f"{name}.csv" if part != "heldout" else "heldout.csv"
    wanted_honest = "yes" if name == "drafts" else "no"
    with (DATA / file_of).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if (
                row["part"] == part
                and language in ("", row["lang"])
                and row.get("honest", wanted_honest) == wanted_honest
            ):
                yield row


if __name__ == "__main__":
    main()
