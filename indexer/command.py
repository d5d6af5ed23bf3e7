"""What the commands of all floors share: one line for an error, exit code 2, progress on stderr, JSON on stdout."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from indexer.errors import UserError


class Commands(click.Group):
    """A group whose commands show a UserError as one line and never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit with 2 where the person has something to mend."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"Error: {error}", err=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"Error: {where}{error.strerror or error}. Check the path, its rights and the disk.", err=True)
        return ctx.exit(2)


def echo_json(value: Any) -> None:
    """Print JSON that keeps Korean readable."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr where that is a terminal; give the function that moves it (done, of)."""
    bar: Any = None

    def move(done: int, of: int) -> None:
        nonlocal bar
        if bar is None and of:
            bar = click.progressbar(length=of, label=label, file=sys.stderr, show_pos=True).__enter__()
        if bar is not None:
            bar.update(done - bar.pos)

    try:
        yield move
    finally:
        if bar is not None:
            bar.__exit__(None, None, None)
