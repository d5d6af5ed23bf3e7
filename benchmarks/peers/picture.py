"""The main rows as one SVG, readable on light and dark pages."""

import statistics
from pathlib import Path
from typing import Any

from .results import Results, short
from .rivals import RIVALS
from .tables import LINES, Line

SHOWN = (
    ("first", "s"),
    ("query", "p50_ms"),
    ("query", "pss_mb"),
    ("build", "s"),
    ("http 16", "answers_s"),
    ("update", "s"),
)
INK, RIVAL, OURS = "#808890", "#8f9aa5", "#2f8f6b"  # readable on white and on near black


def draw(results: Results, path: Path) -> None:
    """Draw a small chart for each row, bars from zero."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.size": 8,
            "svg.hashsalt": "mundap",
            "text.color": INK,
        }
    )
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(10, 5.6), layout="constrained")
    for axis, (measurement, name) in zip(axes.flat, SHOWN, strict=True):
        line = next(line for line in LINES if (line.measurement, line.figure) == (measurement, name))
        bars(axis, results, line)
    figure.savefig(path, transparent=True, metadata={"Date": None})
    pyplot.close(figure)


def bars(axis: Any, results: Results, line: Line) -> None:
    """Draw one row: the best at the top."""
    middle = {
        name: statistics.median(values)
        for name in RIVALS
        if (values := results.values(name, line.measurement, line.figure))
    }
    names = sorted(middle, key=lambda name: middle[name], reverse=not line.more)
    colours = [OURS if RIVALS[name].home == "mundap" else RIVAL for name in names]
    drawn = axis.barh(names, [middle[name] for name in names], color=colours)
    axis.bar_label(drawn, [short(middle[name]) for name in names], padding=2, color=INK)
    axis.set_title(line.title, fontsize=8, color=INK)
    axis.tick_params(colors=INK, length=0, labelbottom=False)
    axis.margins(x=0.2)
    for spine in axis.spines.values():
        spine.set_visible(False)
