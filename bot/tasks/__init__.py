"""Tasks: what a BERT can be fine-tuned for, one file each; the file's name is the task's name.

A file offers the functions of `bot.learning.task.Task`. `bot.training.train` trains any of them; a task never imports
another. A helper's file begins with an underscore.
"""

import pkgutil
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from indexer.errors import UserError


def names() -> list[str]:
    """List the tasks: one file each."""
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_"))


def load_task(name: str) -> Any:
    """Open a task's module, a `Task`; an unknown name is an error that lists the right ones."""
    if name not in names():
        near = get_close_matches(name, names(), 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"unknown task {name!r}: choose one of {', '.join(names())}.{hint}")
    return import_module(f"bot.tasks.{name}")
