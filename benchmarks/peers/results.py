"""What was measured so far, kept in one JSON file: written after every measurement, so that a rerun goes on there."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from .process import FailedError


class Results:
    """A JSON file of `settings`, `machine` and `rounds`: rival -> round -> measurement -> figures or {"failed"}."""

    def __init__(self, path: Path, settings: dict[str, Any], forgotten: Collection[str] = ()) -> None:
        self.path = path
        found = json.loads(path.read_text("utf-8")) if path.exists() else {}
        if found and found["rounds"].keys() <= {*forgotten, "limit"}:
            found = {}
        for name in forgotten:
            found.get("rounds", {}).pop(name, None)
        if found and found["settings"] != settings:
            raise SystemExit(f"{path} was measured with {found['settings']}. Type the same, or add --fresh.")
        self.data: dict[str, Any] = found or {"settings": settings, "machine": machine(), "rounds": {}}

    def measure(self, rival: str, number: str, name: str, measure: Callable[[], Any]) -> Any:
        """Measure what was not measured yet and keep it; a failure is kept too."""
        figures = self.data["rounds"].setdefault(rival, {}).setdefault(number, {})
        if name not in figures:
            try:
                figures[name] = measure()
            except (FailedError, OSError, subprocess.SubprocessError) as error:
                figures[name] = {"failed": str(error)}
            self.write()
        return figures[name]

    def write(self) -> None:
        """Replace the file in one step."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.data) + "\n", encoding="utf-8")
        partial.replace(self.path)

    def values(self, rival: str, name: str, figure: str) -> list[float]:
        """Give one figure of all rounds."""
        rounds = self.data["rounds"].get(rival, {}).values()
        return [found[name][figure] for found in rounds if figure in (found.get(name) or {})]


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the value that this many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def spread(values: Sequence[float]) -> str:
    """Write a median with its least and greatest value."""
    middle = short(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({short(min(values))}–{short(max(values))})"


def short(value: float) -> str:
    """Write three digits or so."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    """Say what it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "python": platform.python_version(),
    }
