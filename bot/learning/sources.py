"""Sources: what a run is made from, by content, so that a killed one never goes on with something else."""

from collections.abc import Iterable
from pathlib import Path

from bot.learning.runs import CHECKPOINTS
from indexer import fingerprint
from indexer import spec as specs

# What a model or a folder of data is read from; other files beside it change nothing.
READ = {".safetensors", ".bin", ".npz", ".json", ".jsonl", ".csv", ".tsv", ".txt", ".model"}


def contents(names: Iterable[str]) -> dict[str, str]:
    """Hash the file or folder that each path or spec (`bert:DIR`) names; what is not on the disk is left out."""
    found = {}
    for name in names:
        path = path_of(name)
        if path is not None:
            found[name] = fingerprint.of_file(path) if path.is_file() else _of_folder(path)
    return found


def path_of(name: str) -> Path | None:
    """Give the file or folder that a path or spec names; None where it is not on the disk."""
    path = Path(name).expanduser()
    if not path.exists() and ":" in name:
        name = specs.parse(name).argument
        path = Path(name).expanduser()
    return path if name and path.exists() else None


def _of_folder(folder: Path) -> str:
    """Hash the files at any depth, by name and content; the checkpoints of a killed run are none of the model."""
    inside = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.suffix in READ}
    read = [name for name in sorted(inside) if CHECKPOINTS not in Path(name).parts and inside[name].is_file()]
    return fingerprint.of_text("\n".join(f"{name} {fingerprint.of_file(inside[name])}" for name in read))
