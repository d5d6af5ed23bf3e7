"""Fresh processes in a rival's environment: run one task to its end, or a server for a while; both watched."""

import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .rivals import HERE, Rival, environment, python

LIMIT_S, LIMIT_MB = 1800.0, 16_000.0
TICK = os.sysconf("SC_CLK_TCK")


class FailedError(Exception):
    """A rival did not finish; the text says why."""


def run(
    rival: Rival,
    envs: Path,
    task: str,
    *arguments: object,
    home: Path | None = None,
    limit_s: float = LIMIT_S,
    limit_mb: float = LIMIT_MB,
    prefix: Sequence[str] = (),
) -> tuple[Any, float]:
    """Run a task; give its result and the seconds from the start of the process to that result.

    Raises:
        FailedError: it ended with an error, took too long or too much memory.
    """
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        started = time.perf_counter()
        process = start(rival, envs, task, *arguments, home=home, prefix=prefix, stdout=said, stderr=complained)
        try:
            seconds = wait(process, started, limit_s, limit_mb)
        finally:
            stop(process)
        said.seek(0)
        complained.seek(0)
        if process.returncode:
            lines = complained.read().decode("utf-8", "replace").strip().splitlines() or ["no message"]
            raise FailedError(f"{task}: {lines[-1].replace(str(envs), 'ENVS')[:300]}")
        return json.loads(said.read()), seconds


def start(
    rival: Rival,
    envs: Path,
    task: str,
    *arguments: object,
    home: Path | None = None,
    prefix: Sequence[str] = (),
    **streams: Any,
) -> Any:
    """Start the worker, within another command where one is given."""
    worker = ["-P", HERE / "worker.py", HERE / rival.home, task, *arguments]
    command = [*prefix, python(rival, envs), *map(str, worker)]
    return subprocess.Popen(command, env=environment(rival, envs, home), cwd=envs, start_new_session=True, **streams)


def wait(process: Any, started: float, limit_s: float, limit_mb: float) -> float:
    """Wait for the end, looking at the memory now and then."""
    looked = started
    while process.poll() is None:
        now = time.perf_counter()
        if now - started > limit_s:
            raise FailedError(f"did not finish in {limit_s:.0f} s")
        if now - looked > 1:
            looked = now
            if resident(process.pid) > limit_mb:
                raise FailedError(f"did not finish within {limit_mb:.0f} MB")
        time.sleep(0.002)
    return time.perf_counter() - started


def stop(process: Any) -> None:
    """End a process, kindly first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


@contextmanager
def server(rival: Rival, envs: Path, folder: Path, prefix: Sequence[str] = ()) -> Iterator[tuple[int, int]]:
    """Serve an index; give the port and the process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryFile() as complained:
        streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": complained}
        process = start(rival, envs, "serve", folder, port, prefix=prefix, **streams)
        try:
            listening(process, port)
            yield port, process.pid
        except (FailedError, OSError) as error:
            complained.seek(0)
            lines = complained.read().decode("utf-8", "replace").strip().splitlines() or [""]
            ended = f"; the server ended with {process.poll()}" if process.poll() is not None else ""
            raise FailedError(f"{error}{ended} {lines[-1][:300]}".strip()) from error
        finally:
            stop(process)


def listening(process: Any, port: int, limit_s: float = 120) -> None:
    """Wait until the port is open."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise FailedError("the server did not start.")


def resident(pid: int) -> float:
    """Give a process's resident memory in MB; 0 once it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):
        return 0.0


def cpu_seconds(pid: int) -> float:
    """Give the processor time that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK
