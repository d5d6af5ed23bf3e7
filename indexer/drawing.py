"""Drawings: charts as SVG text that stands in a page or alone in a file.

A chart is a frame (two axes), marks drawn into it, and `draw`, which adds ticks, legend and the text alternative.
Colours are CSS variables, so light and dark both work; series differ in colour, dash and marker. The colours are
near those of Okabe and Ito, "Color Universal Design" (2008), which the colour-blind tell apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from indexer.words import has_hangul

THEME = """
:root { color-scheme: light dark; --paper: #f6f7f4; --card: #ffffff; --ink: #1b211e; --soft: #58625d; --line: #dde2dc;
  --series-1: #10705f; --series-2: #c4500a; --series-3: #5a4fb0; --series-4: #58625d; }
@media (prefers-color-scheme: dark) { :root { --paper: #121614; --card: #1b211e; --ink: #e6ebe7; --soft: #9da9a2;
  --line: #2e3833; --series-1: #6fd0b8; --series-2: #ff9d66; --series-3: #b3a8fa; --series-4: #9da9a2; } }
@media print { :root { color-scheme: light; --paper: #ffffff; --card: #ffffff; --ink: #000000; --soft: #444444;
  --line: #cccccc; --series-1: #10705f; --series-2: #c4500a; --series-3: #5a4fb0; --series-4: #555555; } }
"""
STYLE = """
.drawing { font: 12px system-ui, "Noto Sans KR", "Malgun Gothic", "Apple SD Gothic Neo", sans-serif; }
.drawing text { fill: var(--ink); } .drawing .soft { fill: var(--soft); }
.drawing .grid { stroke: var(--line); } .drawing .rule { stroke: var(--ink); stroke-dasharray: 5 4; }
.drawing .diagonal { stroke: var(--soft); stroke-dasharray: 1 4; stroke-linecap: round; stroke-width: 1.5; }
.drawing .halo { paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }
.series-1 { --hue: var(--series-1); } .series-2 { --hue: var(--series-2); }
.series-3 { --hue: var(--series-3); } .series-4 { --hue: var(--series-4); }
.drawing .line { fill: none; stroke: var(--hue); stroke-width: 2.25; stroke-linejoin: round; }
.drawing .line.series-2 { stroke-dasharray: 7 3; } .drawing .line.series-3 { stroke-dasharray: 2 3; }
.drawing .area { fill: var(--hue); opacity: 0.18; } .drawing .whisker { stroke: var(--hue); stroke-width: 1.5; }
.drawing .dot { fill: var(--hue); stroke: var(--card); }
.drawing .cloud { fill: none; opacity: 0.45; stroke: var(--hue); stroke-linecap: round; stroke-width: 4.5; }
.drawing .link { stroke: var(--hue); opacity: 0.3; }
"""
LETTER, SYLLABLE = 7.2, 13.5  # the widest that a character of a legend comes out, so that two names never touch
LEGEND_LINE = 22

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """From where to where, and what stands beside it; a tick's name may have two lines."""

    low: float
    high: float
    label: str = ""
    ticks: Sequence[tuple[float, str]] = ()
    grid: bool = True  # a line across the chart at each tick


@dataclass(frozen=True, slots=True)
class Frame:
    """Two axes on a sheet of width x height units, with margins for what stands beside them."""

    x: Axis
    y: Axis
    width: int = 420
    height: int = 280
    left: int = 64
    right: int = 24
    top: int = 10
    bottom: int = 46

    def across(self, value: float) -> float:
        """Give the horizontal place of a value."""
        return self.left + _share(self.x, value) * (self.width - self.left - self.right)

    def down(self, value: float) -> float:
        """Give the vertical place of a value."""
        return self.height - self.bottom - _share(self.y, value) * (self.height - self.top - self.bottom)


def nice(low: float, high: float, count: int = 5) -> list[float]:
    """Give about `count` round values that enclose low to high (Heckbert, Graphics Gems, 1990, "Nice Numbers")."""
    high = high if high > low else low + 1
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((1, 2, 2.5, 5, 10), key=lambda size: abs(math.log(size * power / rough)))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def numbers(low: float, high: float, label: str, count: int = 5, percent: bool = False) -> Axis:
    """Make an axis of numbers, widened to round values; `percent` writes fractions of 1 as per cent."""
    values = nice(low, high, count)
    names = [f"{100 * value:.10g}%" if percent else f"{value:.10g}" for value in values]
    return Axis(values[0], values[-1], label, list(zip(values, names, strict=True)))


def line(frame: Frame, points: Sequence[Point], series: int) -> str:
    """Draw a line through points."""
    places = " ".join(f"{frame.across(x):.1f},{frame.down(y):.1f}" for x, y in points)
    return f'<polyline class="line series-{series}" points="{places}"/>'


def band(frame: Frame, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], series: int) -> str:
    """Fill the interval from lows to highs."""
    edge = [*zip(xs, highs, strict=True), *reversed(list(zip(xs, lows, strict=True)))]
    return _area(frame, edge, series)


def steps(frame: Frame, edges: Sequence[float], heights: Sequence[float], series: int, base: float = 0.0) -> str:
    """Draw a histogram, (n + 1) edges and n heights, as filled steps on a baseline."""
    top = [(x, base + height) for i, height in enumerate(heights) for x in (edges[i], edges[i + 1])]
    outline = [(edges[0], base), *top, (edges[-1], base)]
    return _area(frame, outline, series) + line(frame, outline, series)


def whisker(frame: Frame, one: Point, other: Point, series: int) -> str:
    """Draw an interval between two points, upright or level, with caps."""
    x1, y1, x2, y2 = frame.across(one[0]), frame.down(one[1]), frame.across(other[0]), frame.down(other[1])
    dx, dy = (3, 0) if one[0] == other[0] else (0, 3)
    caps = "".join(_segment("whisker", x - dx, y - dy, x + dx, y + dy, series) for x, y in ((x1, y1), (x2, y2)))
    return _segment("whisker", x1, y1, x2, y2, series) + caps


def bar(frame: Frame, value: float, base: float, thickness: float, series: int) -> str:
    """Draw a level bar from the left edge to a value, `thickness` units of the upright axis thick."""
    low, high = base - thickness / 2, base + thickness / 2
    return _area(frame, [(frame.x.low, low), (value, low), (value, high), (frame.x.low, high)], series)


def dot(frame: Frame, point: Point, series: int, size: float = 4.5, title: str = "") -> str:
    """Draw a point as its series' marker; `title` is shown by a browser to who rests on it."""
    return _marker(frame.across(point[0]), frame.down(point[1]), series, size, title)


def cloud(frame: Frame, points: Sequence[Point], series: int) -> str:
    """Draw many points as small round dots, in one element."""
    places = "".join(f"M{frame.across(x):.1f} {frame.down(y):.1f}h0" for x, y in points)
    return f'<path class="cloud series-{series}" d="{places}"/>'


def key(series: int) -> str:
    """Draw a series' marker alone, for a legend in the text of a page."""
    return f'<svg class="drawing key" aria-hidden="true" viewBox="0 0 16 16">{_marker(8, 8, series, 5)}</svg>'


def link(frame: Frame, one: Point, other: Point, series: int) -> str:
    """Draw a thin line between two points."""
    return _segment(
        "link", frame.across(one[0]), frame.down(one[1]), frame.across(other[0]), frame.down(other[1]), series
    )


def rule(frame: Frame, at: float, name: str) -> str:
    """Draw an upright threshold with its name, on the side that has room."""
    x, top, foot = frame.across(at), frame.top, frame.height - frame.bottom
    left = x > (frame.left + frame.width - frame.right) / 2
    first = top + 11 + 7.5 * name.count("\n")
    text = _text(x + (-6 if left else 6), first, name, "halo", "end" if left else "start")
    return _segment("rule", x, top, x, foot) + text


def diagonal(frame: Frame) -> str:
    """Draw the line from the lower left to the upper right corner."""
    return _segment("diagonal", frame.left, frame.height - frame.bottom, frame.width - frame.right, frame.top)


def note(frame: Frame, point: Point, text: str, dx: float = 9, dy: float = 4, anchor: str = "start") -> str:
    """Write a few words beside a point."""
    return _text(frame.across(point[0]) + dx, frame.down(point[1]) + dy, text, "halo", anchor)


def draw(
    frame: Frame, marks: Sequence[str], title: str, description: str, legend: Sequence[tuple[int, str]] = ()
) -> str:
    """Put a chart together as an <svg> for a page; `description` says in words what it shows."""
    above, rows = _legend(frame, legend)
    rise = LEGEND_LINE * rows
    return (
        f'<svg class="drawing" role="img" viewBox="0 {-rise} {frame.width} {frame.height + rise}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
        f"{_axes(frame)}{''.join(marks)}{above}</svg>"
    )


def standalone(drawing: str) -> str:
    """Make a file of a drawing: with its own name space, style and paper."""
    box = drawing.split('viewBox="', 1)[1].split('"', 1)[0]
    x, y, width, height = box.split()
    head, body = drawing.split(">", 1)
    head = head.replace("<svg", f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"')
    paper = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" style="fill: var(--card)"/>'
    title, rest = body.split("</desc>", 1)
    return f"{head}>{title}</desc><style>{THEME}{STYLE}</style>{paper}{rest}\n"


def _share(axis: Axis, value: float) -> float:
    return (value - axis.low) / (axis.high - axis.low)


def _axes(frame: Frame) -> str:
    right, foot = frame.width - frame.right, frame.height - frame.bottom
    parts = []
    for value, name in frame.y.ticks:
        y = frame.down(value)
        parts.append(_segment("grid", frame.left, y, right, y) if frame.y.grid else "")
        parts.append(_text(frame.left - 8, y + 4, name, "soft", "end"))
    for value, name in frame.x.ticks:
        x = frame.across(value)
        parts.append(_segment("grid", x, frame.top, x, foot) if frame.x.grid else "")
        parts.append(_text(x, foot + 17, name, "soft", "middle"))
    parts.append(_text((frame.left + right) / 2, foot + 38, frame.x.label, "", "middle"))
    if frame.y.label:
        middle = (frame.top + foot) / 2
        turned = _text(0, 0, frame.y.label, "", "middle")
        parts.append(f'<g transform="translate(12 {middle:.1f}) rotate(-90)">{turned}</g>')
    return "".join(parts)


def _legend(frame: Frame, names: Sequence[tuple[int, str]]) -> tuple[str, int]:
    """Set the names of the series in lines above the chart; give them and how many lines they take."""
    parts: list[tuple[float, int, int, str]] = []
    x, row = 8.0, 0
    for series, name in names:
        wide = 34 + sum(SYLLABLE if has_hangul(letter) else LETTER for letter in name)
        if x > 8 and x + wide > frame.width:
            x, row = 8.0, row + 1
        parts.append((x, row, series, name))
        x += wide
    rows = row + 1 if names else 0
    return "".join(
        _marker(x + 6, (row - rows) * LEGEND_LINE + 12, series, 5)
        + _text(x + 17, (row - rows) * LEGEND_LINE + 16, name)
        for x, row, series, name in parts
    ), rows


def _marker(x: float, y: float, series: int, size: float, title: str = "") -> str:
    circle = f"M{x - size:.1f} {y:.1f}a{size} {size} 0 1 0 {2 * size} 0a{size} {size} 0 1 0 {-2 * size} 0Z"
    shapes = {
        1: circle,
        2: _outline(x, y, size * 0.9, ((-1, -1), (1, -1), (1, 1), (-1, 1))),
        3: _outline(x, y, size * 1.25, ((0, -1), (0.95, 0.75), (-0.95, 0.75))),
        4: _outline(x, y, size * 1.3, ((0, -1), (1, 0), (0, 1), (-1, 0))),
    }
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<path class="dot series-{series}" d="{shapes[series]}">{inside}</path>'


def _outline(x: float, y: float, size: float, corners: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x + size * dx:.1f} {y + size * dy:.1f}" for dx, dy in corners) + "Z"


def _area(frame: Frame, edge: Sequence[Point], series: int) -> str:
    places = " ".join(f"{frame.across(x):.1f},{frame.down(y):.1f}" for x, y in edge)
    return f'<polygon class="area series-{series}" points="{places}"/>'


def _segment(kind: str, x1: float, y1: float, x2: float, y2: float, series: int = 0) -> str:
    name = f"{kind} series-{series}" if series else kind
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    """Write text, each of its lines below the other, around the height of one."""
    lines = text.split("\n")
    lift = y - 7.5 * (len(lines) - 1)
    spans = "".join(
        f'<tspan x="{x:.1f}" y="{lift + 15 * number:.1f}">{escape(part)}</tspan>' for number, part in enumerate(lines)
    )
    return f'<text class="{kind}" text-anchor="{anchor}">{spans}</text>'
