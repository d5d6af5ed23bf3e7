"""The command `web`: serve the chat page and the JSON interface."""

import errno
import logging
import signal
from pathlib import Path
from types import FrameType
from typing import Any

import click
import waitress

from indexer.command import Commands
from indexer.errors import UserError
from web import serving
from web.gate import WORKING
from web.lanes import Lanes

BUFFER_LIMIT = 8 << 20  # bytes; the application refuses above 64 KB, in its own words


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mundap")
def main() -> None:
    """Serve the bot to people and programs."""


@main.command()
@click.option("--index", type=click.Path(path_type=Path), help="Folder of the index.  [default: data/index]")
@click.option("--host", help="Address to listen on; 0.0.0.0 for every one.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 picks a free one.  [default: 8000]")
@click.option("--generator", metavar="SPEC", help="What may write where no stored answer is sure.  [default: none]")
@click.option("--entailment", type=click.Path(path_type=Path), help="Pair model that checks it.  [default: none]")
def serve(
    index: Path | None, host: str | None, port: int | None, generator: str | None, entailment: Path | None
) -> None:
    r"""Serve the chat page and /api until Ctrl-C.

    \b
    Example:
      web serve --index data/index --port 8000
    """
    from bot import open_bot
    from bot.models import open_models
    from bot.settings import Settings
    from web import create_app

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    settings = Settings.from_environment()
    spec = settings.generator if generator is None else generator
    judge = entailment or settings.entailment
    bot = open_bot(
        index or settings.index, settings.contact, spec, settings.openai_api_key, open_models(settings), judge
    )
    app = create_app(bot, settings)
    server = listen(app, host or settings.host, settings.port if port is None else port)
    app.extensions["gate"].queued = lambda: len(server.task_dispatcher.queue)
    bot.warm()  # the encoder and all else that loads late; no visitor should wait for it
    click.echo(f"Listening on {address(server)} (Ctrl-C stops)", err=True)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a short queue is nothing to report
    serving.run(server, app.extensions["stopping"])
    for part in ("slack_work", "journal"):
        if open_still := app.extensions.get(part):
            open_still.close()


def stop(_number: int, _frame: FrameType | None) -> None:
    """End the process while it does not serve yet."""
    raise SystemExit(0)


def listen(app: Any, host: str, port: int) -> Any:
    """Bind the address, or raise a UserError that says what to type instead."""
    try:
        return waitress.create_server(
            app,
            host=host,
            port=port,
            threads=WORKING,
            max_request_body_size=BUFFER_LIMIT,
            _dispatcher=Lanes(WORKING),
            **serving.OPTIONS,
        )
    except (OSError, ValueError) as error:
        raise UserError(advice(error, host, port)) from error


def advice(error: OSError | ValueError, host: str, port: int) -> str:
    """Say in one line why the address cannot be used, and what to type."""
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else 8000
        instead = f"type: web serve --port {other} (or: make run PORT={other})"
        return f"port {port} on {host} is in use by another program; {instead}"
    if code == errno.EACCES:
        return f"port {port} may not be used without more rights; type: web serve --port 8000"
    return f"cannot listen on {host}: {error}; type: web serve --host 127.0.0.1"


def address(server: Any) -> str:
    """Give the address that people type into a browser."""
    listening = getattr(server, "effective_listen", None) or [(server.effective_host, server.effective_port)]
    host, port = listening[0]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
