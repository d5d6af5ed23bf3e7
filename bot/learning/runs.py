"""A run's folder: whose it is, where a killed run stood, what it is finished with."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from indexer.errors import UserError
from indexer.progress import Progress

RUN, UNFINISHED, CHECKPOINTS, STATE = "run.json", "unfinished.json", "checkpoints", "trainer_state.json"


def claim(out: Path, facts: Mapping[str, Any], progress: Progress) -> Path | None:
    """Take a folder for a run; give the checkpoint of a killed one with the same facts, from which it goes on.

    Raises:
        UserError: the folder holds what no run wrote.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not _ours(out)):
        raise UserError(f"--out {out}: it holds something else than a trained model. Name a new folder.")
    facts = json.loads(json.dumps(facts))
    checkpoint = _last(out / CHECKPOINTS) if _read(out / UNFINISHED) == facts else None
    if checkpoint is None:
        rmtree(out / CHECKPOINTS, ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
        _write(out / UNFINISHED, facts)
    else:
        progress(f"Resuming the unfinished run in {out} at step {step_of(checkpoint)}")
    return checkpoint


def reopen(out: Path) -> None:
    """Take an earlier run's figures back, before other weights are written."""
    (out / RUN).unlink(missing_ok=True)


def finish(out: Path, found: Mapping[str, Any]) -> None:
    """Write run.json, then drop what only an unfinished run needs."""
    _write(out / RUN, found)
    (out / UNFINISHED).unlink(missing_ok=True)
    rmtree(out / CHECKPOINTS, ignore_errors=True)


def read_run(folder: Path) -> dict[str, Any]:
    """Read a finished run's run.json."""
    if (folder / UNFINISHED).exists() and not (folder / RUN).exists():
        raise UserError(f"{folder}: its training was not finished. Type the same `bot train` again to go on.")
    found = _read(folder / RUN)
    if not isinstance(found, dict) or "task" not in found:
        raise UserError(f"{folder}: there is no model that `bot train` made (no {RUN}). Check the path.")
    return found


def step_of(checkpoint: Path | None) -> int:
    """Give the step that a checkpoint was written at; 0 without one."""
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def versions() -> dict[str, str]:
    """Name the versions that a figure depends on."""
    import platform
    from importlib.metadata import version

    names = ("mundap", "torch", "transformers", "accelerate", "sentence-transformers", "datasets")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def in_bf16(asked: bool | None) -> bool:
    """Tell whether to compute in bfloat16: as asked, or on a GPU that can."""
    import torch

    return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported()) if asked is None else asked


@contextmanager
def threads() -> Iterator[None]:
    """Let torch compute on as many cores as this process may use, unless OMP_NUM_THREADS says how many."""
    import torch

    from indexer.onnx import cores

    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _ours(out: Path) -> bool:
    return (out / RUN).exists() or (out / UNFINISHED).exists()


def _last(folder: Path) -> Path | None:
    """Find the last checkpoint that was written to its end: its state comes last. What is torn is dropped."""
    found = sorted(folder.glob("checkpoint-*"), key=step_of)
    whole = [checkpoint for checkpoint in found if _read(checkpoint / STATE) is not None]
    for checkpoint in set(found) - set(whole):
        rmtree(checkpoint)
    return whole[-1] if whole else None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _write(path: Path, value: Any) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, ensure_ascii=False, indent=2), encoding="utf-8")
    partial.replace(path)
