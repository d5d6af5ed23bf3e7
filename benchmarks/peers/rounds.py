"""The side-by-side run: round 1 of all rivals, round 2 of all; every measurement in a process of its own."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from . import process
from .inputs import CLIENTS, Job, read_rows, write_inputs, write_rows
from .results import Results, percentile
from .rivals import HERE, RIVALS, Rival, environment, installed, python, size
from .serving import load_server


def run(job: Job, packs: Path, names: list[str], rounds: int, results: Results) -> None:
    """Measure all rivals in turn, as often as asked."""
    write_inputs(job, packs)
    for number in map(str, range(1, rounds + 1)):
        results.measure("limit", number, "limit", partial(limit, job))
        for name in names:
            for what, measure in MEASUREMENTS.items():
                print(f"round {number} of {rounds}: {name}: {what}", file=sys.stderr)
                found = results.measure(name, number, what, partial(on_index, measure, job, RIVALS[name]))
                if what == "build" and "failed" in found:
                    break
    for name in names:
        results.data.setdefault("environments", {})[name] = installed(RIVALS[name], job.envs)
    results.write()


def on_index(measure: Callable[[Job, Rival], Any], job: Job, rival: Rival) -> Any:
    """Measure on an index, made again where it is gone."""
    if measure is not build and not job.index(rival, "rows").exists():
        process.run(rival, job.envs, "build", job.work / "rows.csv", job.index(rival, "rows"))
    return measure(job, rival)


def limit(job: Job) -> Any:
    """Measure the fp32 limit."""
    rival = RIVALS["tutorial"]
    variables = environment(rival, job.envs) | {"PYTHONPATH": str(HERE)}
    command = [python(rival, job.envs), "-P", str(HERE / "limit.py"), str(job.work / "texts.json")]
    return json.loads(subprocess.run(command, env=variables, check=True, capture_output=True).stdout)


def build(job: Job, rival: Rival) -> Any:
    """Build anew; where something is made once a machine, with an empty home first, which pays for it."""
    folder, figures = job.index(rival, "rows"), {}
    if rival.exports:
        with tempfile.TemporaryDirectory(dir=job.work) as home:
            shutil.rmtree(folder, ignore_errors=True)
            arguments = (job.work / "rows.csv", folder)
            _, figures["empty_home_s"] = process.run(rival, job.envs, "build", *arguments, home=Path(home))
        process.run(rival, job.envs, "bulk", job.work / "texts.json")  # fills its own home
    shutil.rmtree(folder, ignore_errors=True)
    _, figures["s"] = process.run(rival, job.envs, "build", job.work / "rows.csv", folder)
    return figures | {"disk_mb": size(folder), "encoder_mb": size(folder / "encoders")}


def first(job: Job, rival: Rival) -> Any:
    """Time the first answer."""
    message = json.loads((job.work / "timed.json").read_text("utf-8"))[0]
    _, seconds = process.run(rival, job.envs, "first", job.index(rival, "rows"), message)
    return {"s": seconds}


def query(job: Job, rival: Rival) -> Any:
    """Time one message after the other, and count the right answers."""
    found, _ = process.run(rival, job.envs, "query", job.index(rival, "rows"), job.work / "timed.json")
    expected = json.loads((job.work / "expected.json").read_text("utf-8"))
    right = sum(map(str.__eq__, found.pop("answers"), expected)) / len(expected)
    return found | {"p50_ms": percentile(found["ms"], 50), "p99_ms": percentile(found["ms"], 99), "right": right}


def bulk(job: Job, rival: Rival) -> Any:
    """Time the encoder alone."""
    return {"texts_s": process.run(rival, job.envs, "bulk", job.work / "texts.json")[0]}


def update(job: Job, rival: Rival) -> Any:
    """Edit one row of a large sheet, another way each time, and bring its index up to date."""
    folder, edited = job.index(rival, "large"), job.work / "edited.csv"
    if not (folder / "built").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        process.run(rival, job.envs, "build_for_updates", job.work / "large.csv", folder / "index")
        (folder / "built").touch()
    rows = read_rows(job.work / "large.csv")
    rows[-1]["question"] += f" {time.time_ns()}"
    write_rows(edited, rows)
    _, seconds = process.run(rival, job.envs, "update", edited, folder / "index")
    return {"s": seconds}


MEASUREMENTS: dict[str, Callable[[Job, Rival], Any]] = {
    "build": build,
    "first": first,
    "query": query,
    "bulk": bulk,
    **{f"http {clients}": partial(load_server, clients=clients) for clients in CLIENTS},
    "update": update,
}
