"""The results as Markdown: medians with their least and greatest value, and ratios to the best torch-based rival."""

import statistics
from dataclasses import dataclass
from typing import Any

from .inputs import CLIENTS
from .results import Results, short, spread
from .rivals import RIVALS


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    title: str
    measurement: str
    figure: str
    more: bool = False  # more is better


LINES = [
    Line("cold start: process start to first answer, s", "first", "s"),
    Line("one message in process, p50 ms", "query", "p50_ms"),
    Line("one message in process, p99 ms", "query", "p99_ms"),
    Line("right first, share of the messages", "query", "right", True),
    Line("memory after the messages, MB (PSS)", "query", "pss_mb"),
    Line("build, process start to finished index, s", "build", "s"),
    Line("the same with an empty home: with what is made once a machine, s", "build", "empty_home_s"),
    Line("up to date after one edit of the large sheet, s", "update", "s"),
    Line("encoder alone, texts/s", "bulk", "texts_s", True),
    *(
        Line(f"HTTP, {clients} clients: {title}", f"http {clients}", figure, more)
        for clients in CLIENTS
        for title, figure, more in (
            ("answers/s", "answers_s", True),
            ("answers per second of processor", "answers_cpu_s", True),
            ("p50 ms", "p50_ms", False),
            ("p95 ms", "p95_ms", False),
        )
    ),
    Line("index on disk, MB", "build", "disk_mb"),
    Line("of it the encoder", "build", "encoder_mb"),
]
SCALE = [
    Line("build s", "build", "s"),
    Line("disk MB", "build", "disk_mb"),
    Line("open s", "search", "open_s"),
    Line("memory MB (PSS)", "search", "pss_mb"),
    Line("p50 ms", "search", "p50_ms"),
    Line("p99 ms", "search", "p99_ms"),
    Line("recall@10", "search", "recall", True),
]
BOX = [
    Line("cold start, s", "box", "cold_s"),
    Line("answers/s", "box", "answers_s", True),
    *(Line(f"p{percent} ms", "box", f"p{percent}_ms") for percent in (50, 95, 99)),
    Line("peak memory, MB (resident)", "box", "peak_mb"),
    Line("errors", "box", "errors"),
]


def peers(results: Results) -> str:
    """Write the side-by-side tables."""
    names = [name for name in results.data["rounds"] if name in RIVALS]
    rows = [[line.title, *(cell(results, name, line) for name in names)] for line in LINES]
    limit = short(max(results.values("limit", "limit", "texts_s"), default=0.0)) + " texts/s"
    shares = [share_of_limit(results, name) for name in names]
    rows.append([f"encoder, share of the fp32 limit, {limit}", *shares])
    sizes = results.data.get("environments", {})
    for title, key in (("environment, MB", "mb"), ("of it torch", "torch_mb"), ("of it the weights", "weights_mb")):
        rows.append([title, *(short(sizes[name][key]) if name in sizes else "" for name in names)])
    ours = [name for name in names if not RIVALS[name].torch]
    ratios = [row for line in LINES if (row := ratio(results, line, names, ours))]
    return "\n\n".join(
        [
            "# Mundap beside its rivals",
            preface(results),
            markdown(["", *names], rows),
            "How many times better than the best of those that answer by torch, row by row:",
            markdown(["", "best rival", *ours], ratios),
            left_out(results),
        ]
    )


def scale(results: Results) -> str:
    """Write the table of the stores."""
    rows = [
        [f"{int(size):,}", name, *(figure(found.get(line.measurement), line.figure) for line in SCALE)]
        for size in sorted({size for found in results.data["rounds"].values() for size in found}, key=int)
        for name, sizes in results.data["rounds"].items()
        if (found := sizes.get(size)) is not None
    ]
    head = ["rows", "store", *(line.title for line in SCALE)]
    return "\n\n".join(["# The stores by size", preface(results), markdown(head, rows), left_out(results)])


def box(results: Results) -> str:
    """Write the table of the small box."""
    names = list(results.data["rounds"])
    rows = [[line.title, *(cell(results, name, line) for name in names)] for line in BOX]
    sizes = results.data.get("environments", {})
    rows.append(["environment, MB", *(short(sizes[name]["mb"]) if name in sizes else "" for name in names)])
    rounds = [found.get("box", {}) for sizes in results.data["rounds"].values() for found in sizes.values()]
    limits = ", ".join(sorted({found["limited_by"] for found in rounds if "limited_by" in found}))
    text = f"Two cores, 2 GB of memory (limited by {limits or 'nothing yet'})."
    return "\n\n".join(["# The small box", preface(results), text, markdown(["", *names], rows), left_out(results)])


def cell(results: Results, name: str, line: Line) -> str:
    """Write a median and its spread, a dash where there is none."""
    values = results.values(name, line.measurement, line.figure)
    return spread(values) if values else "–"


def figure(found: dict[str, Any] | None, name: str) -> str:
    """Write one figure of one measurement."""
    return short(found[name]) if found and name in found else "–"


def ratio(results: Results, line: Line, names: list[str], ours: list[str]) -> list[str]:
    """Compare with the best torch-based rival of a row; nothing where there is none."""
    middle = {
        name: statistics.median(values)
        for name in names
        if (values := results.values(name, line.measurement, line.figure))
    }
    rivals = {name: value for name, value in middle.items() if RIVALS[name].torch}
    if not rivals or line.figure in ("right", "encoder_mb"):
        return []
    best = (max if line.more else min)(rivals, key=lambda name: rivals[name])
    times = [
        (middle[name] / rivals[best] if line.more else rivals[best] / middle[name]) if name in middle else None
        for name in ours
    ]
    return [line.title, best, *("–" if value is None else f"{value:.2f}" for value in times)]


def share_of_limit(results: Results, name: str) -> str:
    """Write how much of the limit an encoder reaches: of the highest found, since other work only lowers it."""
    limits, speeds = results.values("limit", "limit", "texts_s"), results.values(name, "bulk", "texts_s")
    return spread([speed / max(limits) for speed in speeds]) if limits and speeds else "–"


def preface(results: Results) -> str:
    """Say on what and with what it was measured."""
    settings = ", ".join(f"{name} {value}" for name, value in results.data["settings"].items())
    on = results.data["machine"]
    return f"{on['processor']}, {on['cores']} cores, {on['memory_gb']} GB, Python {on['python']}; {settings}."


def left_out(results: Results) -> str:
    """Say what did not finish, and why."""
    found = {
        f"- {name}, {what} ({number}): {figures['failed']}"
        for name, rounds in results.data["rounds"].items()
        for number, measured in rounds.items()
        for what, figures in measured.items()
        if "failed" in figures
    }
    return "Did not finish:\n\n" + "\n".join(sorted(found)) if found else "Everything finished."


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Write a table."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
