"""A run's folder: whose it is, where a killed run stood, what it is finished with."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

from indexer.errors import UserError
from indexer.progress import Progress

RUN, UNFINISHED, CHECKPOINTS, STATE = "run.json", "unfinished.json", "checkpoints", "trainer_state.json"


def check(out: Path, facts: Mapping[str, Any]) -> None:
    """Refuse a folder that holds something else than this very run.

    The same run may be made again, and what is unfinished without a checkpoint begun anew: nothing is lost.

    Raises:
        UserError: the folder holds another run, finished or not, or what no run of `bot train` wrote.
    """
    finished, unfinished = _read(out / RUN), _read(out / UNFINISHED)
    if pretrained(finished):
        raise UserError(f"--out {out}: it holds a model of `bot pretrain`. Name another --out, or delete {out}.")
    ours = _is_run(finished) or unfinished is not None
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not ours):
        raise UserError(f"--out {out}: it holds something else than a trained model. Name a new folder.")
    facts = json.loads(json.dumps(facts))
    if _is_run(finished) and (other := difference(finished, facts)):
        raise UserError(f"--out {out}: it holds a finished run {other}. Name another --out, or delete {out}.")
    if unfinished and (other := difference(unfinished, facts)) and _last(out / CHECKPOINTS):
        raise UserError(
            f"--out {out}: it holds an unfinished run {other}. Go on with it as it was, name another --out, "
            f"or delete {out}."
        )


def claim(out: Path, facts: Mapping[str, Any], progress: Progress) -> Path | None:
    """Take a folder for a run; give the checkpoint of a killed one with the same facts, from which it goes on.

    Raises:
        UserError: as `check` says.
    """
    check(out, facts)
    facts = json.loads(json.dumps(facts))
    unfinished = _read(out / UNFINISHED)
    checkpoint = _last(out / CHECKPOINTS) if unfinished and not difference(unfinished, facts) else None
    if checkpoint is None:
        rmtree(out / CHECKPOINTS, ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
        _write(out / UNFINISHED, facts)
    else:
        progress(f"Resuming the unfinished run in {out} at step {step_of(checkpoint)}")
    return checkpoint


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say what sets a run apart from this one, the first that does; nothing where they are the same."""
    if before.get("task") != now.get("task"):
        return f"of `bot train {before.get('task')}`"
    old, new = _options(before), _options(now)
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            return f"with {_typed(name, old.get(name))}, now {_typed(name, new.get(name))}"
    for kind in ("data", "models"):
        old, new = before.get(kind, {}), now.get(kind, {})
        for name in {**old, **new}:
            if old.get(name) != new.get(name):
                return f"whose {name} has changed since"
    return ""


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
    if pretrained(found):
        raise UserError(
            f"{folder}: it holds a model of `bot pretrain`, which has learned no task. {_next(folder, found)}"
        )
    if not _is_run(found):
        raise UserError(f"{folder}: there is no model that `bot train` made (no {RUN}). Check the path.")
    run: dict[str, Any] = found
    return run


def step_of(checkpoint: Path | None) -> int:
    """Give the step that a checkpoint was written at; 0 without one."""
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def versions() -> dict[str, str]:
    """Name the versions that a figure depends on, of what is installed."""
    import platform
    from importlib import metadata

    found = {"python": platform.python_version()}
    for name in ("mundap", "torch", "transformers", "accelerate", "sentence-transformers", "datasets"):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


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


def pretrained(found: Any) -> bool:
    """Tell whether a run.json is of `bot pretrain`."""
    return isinstance(found, dict) and "arguments" in found and "task" not in found


def _next(folder: Path, found: Mapping[str, Any]) -> str:
    if "sample" in found["arguments"]:  # a causal one
        return f"It goes on with texts: --generator causal:{folder}"
    return f"Fine-tune it: bot train TASK --encoder bert:{folder} --train FILE --out DIR"


def _is_run(found: Any) -> bool:
    return isinstance(found, dict) and "task" in found


def _options(facts: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(facts.get("arguments", {}))
    own = found.pop("options", {})
    return {**found, **own}


def _typed(name: str, value: Any) -> str:
    option = f"--{name.replace('_', '-')}"
    if value is True:
        return option
    return f"no {option}" if value is None or value is False or value == "" else f"{option} {value}"


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
