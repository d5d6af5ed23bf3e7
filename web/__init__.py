"""The web floor, HTTP only: `create_app()` for flask and gunicorn, `web serve` for people."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import click
from apiflask import APIFlask
from flask import Response, request
from flask.json.provider import DefaultJSONProvider

from bot.journal import Journal
from bot.settings import Settings
from indexer.errors import UserError
from web import api, chat, health, keys, limits, logs, metrics, problems, slack, webhook, widget
from web.asking import Bot
from web.gate import Gate

BODY_LIMIT = 64 * 1024  # bytes; a message has at most 2,000 characters

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
P = ParamSpec("P")
HSTS = "max-age=31536000"  # seconds; a year


class StartError(UserError, click.ClickException):
    """A UserError that `flask --app web run` prints as one line too."""

    exit_code = 2


class ReadableJson(DefaultJSONProvider):
    """JSON that keeps Korean readable and can always be sent as UTF-8."""

    ensure_ascii = False
    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Write JSON; half of a surrogate pair, which UTF-8 cannot hold, becomes a question mark."""
        return super().dumps(obj, **kwargs).encode("utf-8", "replace").decode("utf-8")


def in_one_line(make: Callable[P, APIFlask]) -> Callable[P, APIFlask]:
    """Let `flask --app web run` say in one line what is wrong with the settings or the index."""

    @wraps(make)
    def made(*args: P.args, **named: P.kwargs) -> APIFlask:
        try:
            return make(*args, **named)
        except UserError as error:
            raise StartError(str(error)) from error

    return made


@in_one_line
def create_app(bot: Bot | None = None, settings: Settings | None = None) -> APIFlask:
    """Make the application around a bot, or around the one that the settings name.

    Without settings: those of the environment, or the defaults where a bot is given. Raises UserError where the index
    is missing or damaged, or a setting makes no sense.
    """
    settings = settings or (Settings() if bot else Settings.from_environment())
    app = APIFlask(__name__, title="Mundap", version="1", docs_path=None, json_errors=False)
    app.json = ReadableJson(app)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.extensions["bot"] = open_from(settings) if bot is None else bot
    app.extensions["settings"] = settings
    app.extensions["journal"] = open_journal(settings)
    app.extensions["gate"] = Gate()
    logs.init_app(app, settings)
    metrics.init_app(app)
    limits.init_app(app, settings)
    keys.init_app(app)
    health.init_app(app)
    for part in (chat, api, health, metrics, widget):
        app.register_blueprint(part.bp)
    if settings.webhook_token:
        app.register_blueprint(webhook.bp)
    if settings.slack_signing_secret:
        slack.init_app(app)
    problems.init_app(app)
    app.after_request(protect)
    return app


def open_from(settings: Settings) -> Bot:
    """Open the bot that the settings describe."""
    from bot import open_bot
    from bot.models import open_models

    models = open_models(settings)
    key, judge = settings.openai_api_key, settings.entailment
    bot = open_bot(settings.index, settings.contact, settings.generator, key, models, judge)
    bot.warm()  # before a worker says that it is ready
    return bot


def open_journal(settings: Settings) -> Journal | None:
    """Open the journal that the settings describe."""
    from bot.models import open_tagger

    if settings.journal is None:
        return None
    return Journal(settings.journal, settings.retention_days, settings.mask, open_tagger(settings))


def protect(response: Response) -> Response:
    """Forbid the browser everything that the page does not need."""
    response.headers.update(HEADERS)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = HSTS
    return widget.open_up(response)
