"""What the commands of all floors share: one line for an error, exit code 2, progress on stderr, JSON on stdout."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexer.errors import UserError

if TYPE_CHECKING:
    from indexer.index import Index

FOLDER = click.Path(path_type=Path)
INDEX = click.option("--index", type=FOLDER, default="data/index", show_default=True, help="Folder of the index.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


class Commands(click.Group):
    """A group whose commands show a UserError as one line and never a traceback."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command; the mark before an example in its raw docstring becomes the one that click knows."""
        cmd.help = (cmd.help or "").replace("\\b\n", "\b\n")
        super().add_command(cmd, name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit with 2 where the person has something to mend."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"Error: {error}", err=True)
        except (BrokenPipeError, click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"Error: {where}{error.strerror or error}. Check the path, its rights and the disk.", err=True)
        except ModuleNotFoundError as error:
            click.echo(f"Error: {without_package(error)}", err=True)
        except Exception as error:  # a fault of ours: still one line, and what to do with it
            what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            click.echo(f"Error: unexpected {what}. Please report this with the command that you typed.", err=True)
        return ctx.exit(2)


def without_package(error: ModuleNotFoundError) -> str:
    """Say what to do where a package is missing, as most are where only what serves is installed (docs/deploy.md)."""
    return (
        f"this needs the package {error.name}, which is not installed here. "
        "Do it where all of Mundap is installed, or type in its source folder: pip install ."
    )


def open_index(folder: Path) -> "Index":
    """Open an index; what it needs is imported only now."""
    from indexer.index import Index

    return Index.open(folder)


def echo_json(value: Any) -> None:
    """Print JSON that keeps Korean readable."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


class Progress:
    """Says on stderr what a command is doing, with a bar where there is something to count."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar: Any = None

    def __enter__(self) -> "Progress":
        """Begin without a stage."""
        return self

    def __call__(self, stage: str, done: int = 0, of: int = 0) -> None:
        """Show that `done` of `of` are done in a stage."""
        if stage != self._stage:
            self.__exit__()
            self._stage = stage
            if of and sys.stderr.isatty():
                self._bar = click.progressbar(length=of, label=stage, file=sys.stderr, show_pos=True).__enter__()
            else:
                click.echo(f"{stage} ({of:,}) ..." if of else f"{stage} ...", err=True)
        if self._bar is not None:
            self._bar.update(done - self._bar.pos)

    def __exit__(self, *_: object) -> None:
        """End the stage."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
        self._bar = None
