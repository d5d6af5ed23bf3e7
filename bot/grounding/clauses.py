"""Clauses: what belongs together in a text, so that no sentence joins what stands apart in its source."""

import re
from collections.abc import Iterator, Sequence

from bot.grounding.content import content, held, share_of
from bot.grounding.facts import beside_numbers, facts, missing_facts, turns
from bot.grounding.vocabulary import NO_PARTICLE
from indexer.words import has_hangul, plain

CLAUSE = re.compile(
    r"[;:,]|\bbut\b|\band\b(?= half| nothing| the rest)|\bhowever\b|\bwhile\b"
    r"| 뿐(?=[\s,])|(?<=없이)\s|지만|으나(?=\s)|는데(?=\s)|(?<=[가-힣])(?:며|고)(?=[\s,])",
    re.IGNORECASE,
)
ADDING = re.compile(r"([가-힣]{2,})(도|만)(?=[\s,.]|$)")
TOPIC = re.compile(
    r"(?:[가-힣A-Za-z\d]+\s)?[가-힣A-Za-z\d]+(?:(?<![않받같좋많높얻잃늦읽넣놓])은|(?<!에서)(?<!까지)(?<![과와에로하되있없쓰받듣않르싶남넘])(?<!(?<!경)우)는|이면|라면|다면|으면|되면|하면|지면)(?=[\s,])"
)
SUBJECT = re.compile(
    r"(?:[가-힣A-Za-z\d]+\s){0,2}?[가-힣A-Za-z\d]+(?:은|(?<!에서)(?<!까지)(?<![과와에로])는)(?=\s)"
)  # what a sentence begins with
AGENTS = r"bank|card company|card issuer|carrier|employer|instructor|operator|provider|school|seller|teacher|university"
SPEAKER = re.compile(rf"(?:so |then |and )?(we|(?:your|the) (?:{AGENTS}))\b", re.IGNORECASE)
ANOTHER = re.compile(r"(?:if|when|the|an?|you|your|it|they|this|that|these|each|all|once|for|in|on|at|with)\b", re.I)
OPPOSITES = (("full", "part"), ("before", "after"), ("least", "most"))


def particles(text: str) -> frozenset[str]:
    """Give the beginnings of the Korean words that a text adds or singles out: 도, "also" or "even", and 만, "only"."""
    found = ADDING.findall(plain(text))
    return frozenset(f"{word[:2]} {particle}" for word, particle in found if word not in NO_PARTICLE)


def subject(text: str) -> Sequence[str]:
    """Give the stems of what a Korean sentence begins with and is about."""
    found = SUBJECT.match(text)
    return content(found[0]) if found else ()


def runs(text: str) -> list[str]:
    """Give a text, and all runs of neighbouring clauses in it, but no more than some dozens."""
    parts = clauses(text)[:8]
    spans = ((start, end) for start in range(len(parts)) for end in range(start + 1, len(parts) + 1))
    return [text, *(", ".join(parts[start:end]) for start, end in spans)]


def mixed(said: str, source: str) -> bool:
    """Tell whether a sentence joins what stands apart in its source: the topic of one clause, the rest of another."""
    parts = [part for part in clauses(source) if part]
    about, known = subject(said), content(source)
    if about and subject(source) and not any(held(word, known) for word in about):
        return True
    if _unbounded(said, parts) or exchanged(said, source):
        return True
    if len(parts) < 2:
        return False
    if any(_swapped(said, parts, pair) for pair in OPPOSITES):
        return True
    if not has_hangul(said) or len(clauses(said)) > 1 or sum(bool(TOPIC.search(part + " ")) for part in parts) < 2:
        return False
    topics = [word for found in TOPIC.findall(said + " ") for word in content(found) or [found]]
    about = [part for part in parts if topics and all(held(t, content(part)) or t in part for t in topics)]
    last = content(said)[-1:]
    return bool(about) and not any(
        not missing_facts(facts(said), facts(part)) and all(held(word, content(part)) for word in last)
        for part in about
    )


def _swapped(said: str, parts: Sequence[str], pair: tuple[str, str]) -> bool:
    """Tell whether a number comes with "full" where all clauses that hold it say "half", and the like."""
    told = turns(said)
    for one, other in (pair, pair[::-1]):
        only_other = (all(other in held_ and one not in held_ for held_ in holding) for holding in _around(said, parts))
        if one in told and other not in told and any(only_other):
            return True
    return False


def _unbounded(said: str, parts: Sequence[str]) -> bool:
    """Tell whether a number is a bound in its source, "up to 30 days", and none in the sentence."""
    told = turns(said)
    return any(
        all(bound in held_ for held_ in holding)
        for bound, other in (("most", "least"), ("least", "most"))
        if bound not in told and other not in told
        for holding in _beside(said, parts)
    )


def _beside(said: str, parts: Sequence[str]) -> list[list[frozenset[str]]]:
    """Give, for each number of a sentence that its source holds, the turning words right beside it there."""
    places = [beside for part in parts for beside in beside_numbers(part)]
    found = []
    for number in (fact for fact in facts(said) if fact[0].isdigit()):
        holding = [turns(place) for place in places if not missing_facts(frozenset([number]), facts(place))]
        found += [holding] if holding else []
    return found


def exchanged(said: str, source: str) -> bool:
    """Tell whether an English sentence says of us what its source says of a bank, or the other way round."""
    known = list(_speaking(clauses(source)))
    for speaker, part in _speaking(clauses(said)):
        shares = [share_of(content(part), content(other)) for _, other in known]
        best = max(shares, default=0.0)
        told = {who for (who, _), share in zip(known, shares, strict=True) if share == best}
        if speaker and "" not in told and told and speaker not in told:
            return True
    return False


def _speaking(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give each clause with who acts in it, "we" or "your bank"; who acted before, where it begins with a verb."""
    speaker = ""
    for part in parts:
        begin = SPEAKER.match(part)
        if begin or ANOTHER.match(part):
            speaker = (begin[1] if begin else "").lower().removeprefix("your ").removeprefix("the ")
        yield speaker, part


def _around(said: str, parts: Sequence[str]) -> list[list[frozenset[str]]]:
    """Give, for each number of a sentence that its source holds, the turning words of the clauses that hold it."""
    found = []
    for number in (fact for fact in facts(said) if fact[0].isdigit()):
        holding = [turns(part) for part in parts if not missing_facts(frozenset([number]), facts(part))]
        found += [holding] if holding else []
    return found


def clauses(text: str) -> list[str]:
    """Cut a text into its clauses."""
    return [part.strip() for part in CLAUSE.split(text) if part and part.strip()]
