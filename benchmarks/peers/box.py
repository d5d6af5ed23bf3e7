"""The small-box contract: `web serve` with 10,000 entries, 20 clients, two cores and 2 GB of memory."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from . import process
from .inputs import Job, read_rows, write_inputs, write_rows
from .results import Results
from .rivals import RIVALS, Rival, installed
from .serving import under_load

ENTRIES, CLIENTS, CORES, LIMIT = 10_000, 20, "0,1", 2 << 30
CGROUP = Path("/sys/fs/cgroup")


def run(job: Job, packs: Path, names: list[str], rounds: int, results: Results) -> None:
    """Measure the box as often as asked."""
    write_inputs(job, packs)
    rows = [row | {"answer": f"{row['answer']} ({row['id']})"} for row in read_rows(job.work / "large.csv")]
    write_rows(job.work / "box.csv", rows)  # every row an entry of its own
    for name in names:
        folder = job.index(RIVALS[name], "box")
        if not (folder / "manifest.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            process.run(RIVALS[name], job.envs, "build", job.work / "box.csv", folder)
        for number in map(str, range(1, rounds + 1)):
            print(f"round {number} of {rounds}: {name}", file=sys.stderr)
            results.measure(name, number, "box", partial(measure, job, RIVALS[name], folder))
        results.data.setdefault("environments", {})[name] = installed(RIVALS[name], job.envs)
    results.write()


def measure(job: Job, rival: Rival, folder: Path) -> Any:
    """Start it cold, then load it, both within the limit."""
    with limited(LIMIT) as (how, prefix):
        _, cold = process.run(rival, job.envs, "first", folder, "how do I get there", prefix=prefix)
        with process.server(rival, job.envs, folder, prefix=prefix) as (port, pid):
            found = under_load(port, pid, CLIENTS, job.seconds, rival.request, job.work / "load-16.json")
            status = Path(f"/proc/{pid}/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return found | {"cold_s": cold, "peak_mb": int(peak) / 1024, "limited_by": how}


@contextmanager
def limited(memory: int) -> Iterator[tuple[str, list[str]]]:
    """Give what limits a process here, and the command to start it with: two cores, this much memory."""
    cores = ["taskset", "-c", CORES]
    if writable_cgroup():
        group = CGROUP / f"mundap-box-{os.getpid()}"
        group.mkdir()
        try:
            (group / "memory.max").write_text(str(memory))
            yield "cgroup v2", [*cores, "sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
        finally:
            group.rmdir()
    elif Path("/run/systemd/system").exists() and shutil.which("systemd-run"):
        yield "systemd-run", [*cores, "systemd-run", "--scope", "--quiet", "--property", f"MemoryMax={memory}"]
    else:
        # Stricter: it counts addresses, also those never touched, such as 8 MB for the stack of each thread.
        limits = f"ulimit -s 1024 && ulimit -v {memory >> 10}"
        yield "ulimit -v, stacks of 1 MB", [*cores, "sh", "-c", f'{limits} && exec "$@"', "sh"]


def writable_cgroup() -> bool:
    """Tell whether groups with a limit of memory can be made."""
    control = CGROUP / "cgroup.subtree_control"
    return control.exists() and os.access(CGROUP, os.W_OK) and "memory" in control.read_text().split()
