"""Pictures of a training: the learning curve, and which label is taken for which (SVG, see `indexer.drawing`)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from indexer import drawing
from indexer.drawing import Axis, Frame, Point

WIDTH, HEIGHT = 640, 240
MOST = 20  # labels that a confusion matrix shows
NAME = 22  # characters of a label that are shown
CELL = 30


def learning(history: Sequence[Mapping[str, Any]], score: str) -> str:
    """Draw the losses of training and dev above the score on dev, step by step, from a Trainer's log history."""
    lost = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    held = [(entry["step"], entry["eval_loss"]) for entry in history if "eval_loss" in entry]
    name = f"eval_{score}"
    scores = [(entry["step"], entry[name]) for entry in history if name in entry]
    last = max((step for step, _ in [*lost, *held, *scores]), default=1)
    names = [(1, "loss, training"), *([(2, "loss, dev")] if held else [])]
    parts = [_chart([lost, held], "loss", last, names), _chart([scores], f"{score}, dev", last, [(1, f"{score}, dev")])]
    best = max((value for _, value in scores), default=0.0)
    return _stacked(parts, "Learning curve", f"Losses and {score} over {last} steps; the best {score} is {best:.3f}.")


def confusion(true: Sequence[int], guessed: Sequence[int], labels: Sequence[str]) -> str:
    """Draw how often each label (row) is taken for each (column), as a share of its row; the most confused ones."""
    counts = Counter(zip(map(int, true), map(int, guessed), strict=True))
    shown = _most_confused(counts, len(labels))
    names = [labels[at] if len(labels[at]) <= NAME else f"{labels[at][: NAME - 1]}…" for at in shown]
    margin = 24 + round(7.5 * max(map(_width, names)))
    totals = Counter({at: sum(n for (row, _), n in counts.items() if row == at) for at in shown})
    cells = [
        _cell(
            margin + CELL * x, margin + CELL * y, counts[row, column], totals[row], f"{labels[row]} → {labels[column]}"
        )
        for y, row in enumerate(shown)
        for x, column in enumerate(shown)
    ]
    rows = [_label(margin - 8, margin + CELL * y + 19, name) for y, name in enumerate(names)]
    columns = [
        _label(0, 0, name, f"translate({margin + CELL * x + 19} {margin - 8}) rotate(90)")
        for x, name in enumerate(names)
    ]
    right = sum(count for (row, column), count in counts.items() if row == column)
    of = f" (the {len(shown)} most confused of {len(labels)})" if len(shown) < len(labels) else ""
    said = f"Rows are the right labels{of}, columns the guessed ones; {right} of {sum(counts.values())} are right."
    side = margin + CELL * len(shown) + 12
    head = f'<svg class="drawing" role="img" viewBox="0 0 {max(side, 24 + round(6.4 * len(said)))} {side + 24}">'
    note = f'<text class="soft" x="12" y="{side + 12}">{escape(said)}</text>'
    body = f"<title>Confusion matrix</title><desc>{escape(said)}</desc>{''.join([*cells, *rows, *columns])}{note}</svg>"
    return drawing.standalone(head + body)


def _chart(lines: Sequence[Sequence[Point]], label: str, last: float, names: Sequence[tuple[int, str]]) -> str:
    values = [value for line in lines for _, value in line] or [0.0]
    frame = Frame(drawing.numbers(0, last, "step"), _upright(values, label), WIDTH, HEIGHT)
    marks = [drawing.line(frame, line, at) for at, line in enumerate(lines, 1) if line]
    marks += [drawing.dot(frame, point, at, 3) for at, line in enumerate(lines, 1) for point in line]
    return drawing.draw(frame, marks, label, f"{label} by step", names)


def _upright(values: Sequence[float], label: str) -> Axis:
    low, high = min(values), max(values)
    return drawing.numbers(min(low, 0.0) if label == "loss" else low, high if high > low else low + 0.1, label)


def _stacked(parts: Sequence[str], title: str, description: str) -> str:
    """Set charts of one width below each other in one picture."""
    inner, top = [], 0.0
    for part in parts:
        box = part.split('viewBox="', 1)[1].split('"', 1)[0]
        height = float(box.split()[3])
        inner.append(part.replace("<svg ", f'<svg y="{top:g}" width="{WIDTH}" height="{height:g}" ', 1))
        top += height + 12
    head = f'<svg class="drawing" role="img" viewBox="0 0 {WIDTH} {top:g}">'
    said = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return drawing.standalone(f"{head}{said}{''.join(inner)}</svg>")


def _most_confused(counts: Mapping[tuple[int, int], int], labels: int) -> list[int]:
    if labels <= MOST:
        return list(range(labels))
    wrong: Counter[int] = Counter()
    for (row, column), count in counts.items():
        if row != column:
            wrong.update({row: count, column: count})
    return sorted([*(at for at, _ in wrong.most_common(MOST)), *(at for at in range(labels) if at not in wrong)][:MOST])


def _cell(x: float, y: float, count: int, total: int, title: str) -> str:
    share = count / total if total else 0.0
    size = f'x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}"'
    box = f'<rect {size} class="area series-1" style="opacity:{share:.2f}"/>'
    text = (
        f'<text x="{x + CELL / 2 - 1}" y="{y + 19}" text-anchor="middle" class="halo">{count}</text>' if count else ""
    )
    return f"<g><title>{escape(title)}: {count} of {total}</title>{box}{text}</g>"


def _label(x: float, y: float, name: str, transform: str = "") -> str:
    turned = f' transform="{transform}"' if transform else ""
    return f'<text x="{x}" y="{y}" text-anchor="end"{turned}>{escape(name)}</text>'


def _width(name: str) -> float:
    return sum(1.8 if ord(letter) > 0x1100 else 1.0 for letter in name)
