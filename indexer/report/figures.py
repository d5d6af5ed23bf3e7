"""The report's figures: curves drawn, each with its title, caption and text alternative.

Each function takes the results and the sentences `t` of a language, and gives a Figure, or the sentence that says
why there is nothing to draw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from indexer import drawing
from indexer.evaluate import Result
from indexer.report import measures

Sentences = Mapping[str, str]
HISTOGRAM = np.linspace(0, 1, 26)
POINTS = 400  # of a curve: more cannot be told apart
FEWEST = 10  # answers from which their risk is drawn: of fewer, one wrong is too large a share


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing and what stands below it."""

    svg: str
    title: str
    caption: str
    legend: Sequence[tuple[int, str]] = ()  # series and its name


def percent(value: float) -> str:
    """Write a fraction of 1 as per cent, with a decimal only where it is small."""
    return f"{100 * value:.1f}%" if 0 < value < 0.0995 else f"{100 * value:.0f}%"


def recall(results: Sequence[Result], t: Sentences) -> Figure | str:
    """Draw success at k = 1 to 10 with its interval."""
    shares = measures.success(results)
    if not shares[0].whole:
        return t["no_on_topic"]
    ks, values = list(range(1, len(shares) + 1)), [share.value for share in shares]
    lows, highs = zip(*(share.interval for share in shares), strict=True)
    frame = drawing.Frame(
        drawing.Axis(0.6, len(ks) + 0.4, t["recall_x"], [(k, str(k)) for k in ks]),
        drawing.numbers(max(0.0, min(lows) - 0.02), 1, t["recall_y"], percent=True),
    )
    points = list(zip(ks, values, strict=True))
    marks = [
        drawing.band(frame, ks, lows, highs, 1),
        drawing.line(frame, points, 1),
        *(drawing.dot(frame, point, 1, title=percent(point[1])) for point in points),
        *(drawing.note(frame, points[k], percent(values[k]), 0, 22, "middle") for k in (0, 2, 4, 9)),
    ]
    said = t["recall_description"].format(first=percent(values[0]), five=percent(values[4]), last=percent(values[-1]))
    svg = drawing.draw(frame, marks, t["recall_chart"], said)
    return Figure(svg, t["recall_chart"], t["recall_caption"])


def ridges(results: Sequence[Result], t: Sentences, which: str, threshold: float | None) -> Figure:
    """Draw how a probability ("probability" or "on_topic") spreads among right, wrong and off-topic messages."""
    groups = {
        1: ("right", [r for r in measures.on_topic(results) if r.right(1)]),
        2: ("wrong", measures.missed(results)),
        3: ("off", measures.off_topic(results)),
    }
    ticks = [(3.0 - series, f"{t[name]}\n{len(members)}") for series, (name, members) in groups.items()]
    upright = drawing.Axis(-0.08, 3.3, "", [(at + 0.3, name) for at, name in ticks], grid=False)
    across = drawing.numbers(0, 1, t[which], percent=True)
    frame = drawing.Frame(across, upright, left=82)
    marks, medians = [], []
    for series, (name, members) in groups.items():
        if members:
            values = np.array([getattr(member.judgement, which) for member in members])
            heights = np.histogram(values, HISTOGRAM)[0]
            tall = 0.82 * heights / heights.max()
            marks.append(drawing.steps(frame, HISTOGRAM.tolist(), tall.tolist(), series, 3.0 - series))
            medians.append(f"{t[name]} {percent(float(np.median(values)))}")
    caption = t["no_threshold"]
    if threshold is not None:
        caption = t[f"{which}_caption"]
        name = t["answer_from" if which == "probability" else "refuse_below"]
        marks.append(drawing.rule(frame, threshold, name.format(value=percent(threshold))))
    said = t["ridges_description"].format(medians=", ".join(medians))
    return Figure(drawing.draw(frame, marks, t[f"{which}_chart"], said), t[f"{which}_chart"], caption)


def reliability(results: Sequence[Result], t: Sentences) -> Figure:
    """Draw the probability said against the share found right."""
    bins, gap = measures.reliability(results)
    frame = drawing.Frame(
        drawing.numbers(0, 1, t["said"], percent=True), drawing.numbers(0, 1, t["found"], percent=True)
    )
    marks = [drawing.diagonal(frame)]
    for each in bins:
        low, high = each.right.interval
        marks.append(drawing.whisker(frame, (each.mean, low), (each.mean, high), 1))
    marks.append(drawing.line(frame, [(each.mean, each.right.value) for each in bins], 1))
    for each in bins:
        named = f"{t['said']} {percent(each.mean)}, {t['found']} {percent(each.right.value)} ({each.right.whole})"
        marks.append(drawing.dot(frame, (each.mean, each.right.value), 1, 5, named))
    said = t["reliability_description"].format(bins=len(bins), ece=percent(gap))
    title = t["reliability_chart"]
    return Figure(drawing.draw(frame, marks, title, said), title, t["reliability_caption"].format(ece=percent(gap)))


def risk(results: Sequence[Result], t: Sentences) -> Figure:
    """Draw the risk of the answers as more messages are answered, and where the index stands."""
    curve = measures.risk_coverage(results)
    first = int(np.flatnonzero(curve.x * len(results) >= min(FEWEST, len(results)))[0])
    kept = [first + at for at in _thinned(len(curve.x) - first)]
    given = measures.answered(results)
    wrong = sum(not result.right(1) for result in given) / len(given) if given else 0.0
    frame = drawing.Frame(
        drawing.numbers(0, 1, t["answered_share"], percent=True),
        drawing.numbers(0, max(0.05, float(curve.y[first:].max()), wrong), t["wrong_share"], percent=True),
    )
    points = list(zip(curve.x[kept].tolist(), curve.y[kept].tolist(), strict=True))
    marks = [drawing.line(frame, points, 1)]
    caption = t["no_working_point"]
    here = (len(given) / len(results), wrong)
    if given:
        caption = t["risk_caption"]
        name = t["today"].format(coverage=percent(here[0]), risk=percent(wrong))
        marks += [drawing.rule(frame, here[0], name), drawing.dot(frame, here, 4, 6, name)]
    said = t["risk_description"].format(coverage=percent(here[0]), risk=percent(wrong), all=percent(curve.y[-1]))
    title = t["risk_chart"]
    return Figure(drawing.draw(frame, marks, title, said), title, caption.format(area=f"{curve.area:.3f}"))


def roc(results: Sequence[Result], t: Sentences, refuse: float | None) -> Figure | str:
    """Draw what is kept of on-topic and off-topic messages, with the working point of a threshold."""
    if not measures.off_topic(results):
        return t["no_off_topic"]
    if not measures.on_topic(results):
        return t["no_on_topic"]
    curve = measures.roc(results)
    kept = _thinned(len(curve.x))
    frame = drawing.Frame(
        drawing.numbers(0, 1, t["off_kept"], percent=True), drawing.numbers(0, 1, t["on_kept"], percent=True)
    )
    points = list(zip(curve.x[kept].tolist(), curve.y[kept].tolist(), strict=True))
    marks = [drawing.diagonal(frame), drawing.line(frame, points, 1)]
    if refuse is not None:
        at = int(np.flatnonzero(curve.cuts >= refuse)[-1])
        here = (float(curve.x[at]), float(curve.y[at]))
        name = t["refuse_below"].format(value=percent(refuse))
        marks += [drawing.dot(frame, here, 4, 6, name), drawing.note(frame, here, name, 11, 15)]
    values = {"area": f"{curve.area:.3f}", "fpr": percent(float(curve.x[curve.y >= 0.95 - 1e-12][0]))}
    title = t["roc_chart"]
    svg = drawing.draw(frame, marks, title, t["roc_description"].format(**values))
    return Figure(svg, title, t["roc_caption"].format(**values))


def _thinned(count: int) -> list[int]:
    kept: list[int] = np.unique(np.linspace(0, count - 1, min(count, POINTS)).astype(int)).tolist()
    return kept
