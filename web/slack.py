"""Slack: what comes in is checked, kept in the inbox and acknowledged; `slack_work` answers it afterwards.

Closed (404) while no signing secret is set.
"""

import json
import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from apiflask import APIBlueprint
from flask import Flask, Response, current_app, request

from bot.settings import Settings
from web import slack_blocks, slack_send
from web.problems import Refused
from web.slack_inbox import Event, Inbox
from web.slack_work import Work

if TYPE_CHECKING:
    from slack_bolt import App

BODY_LIMIT = 1 << 20  # bytes; a click carries the message that it was made on
WRITTEN = (None, "file_share", "thread_broadcast")  # kinds of messages that people write; the others tell of edits etc.
ANY = re.compile(".*", re.DOTALL)

bp = APIBlueprint("slack", __name__, url_prefix="/slack", enable_openapi=False)


def init_app(app: Flask) -> None:
    """Open the routes and start to answer.

    Raises:
        UserError: the inbox cannot be used.
    """
    settings = cast(Settings, app.extensions["settings"])
    inbox = Inbox(settings.slack_inbox)
    inbox.purge()
    app.extensions["slack_inbox"] = inbox
    app.extensions["slack"] = listening(settings.slack_signing_secret, app)
    app.register_blueprint(bp)
    if settings.slack_bot_token:
        app.extensions["slack_work"] = Work(app, inbox, slack_send.make_client(settings.slack_bot_token))
        app.extensions["slack_work"].start()
    else:
        app.logger.warning("Slack: SLACK_BOT_TOKEN is not set; messages are kept, and answered once it is.")


@bp.post("/events")
@bp.post("/commands")
@bp.post("/interactions")
def take() -> Response:
    """Check and acknowledge whatever Slack sends; it tells by itself what it is."""
    from slack_bolt.adapter.flask import SlackRequestHandler

    request.max_content_length = BODY_LIMIT
    if not is_signed(current_app.extensions["settings"].slack_signing_secret):
        raise Refused("slack_signature")
    try:
        return SlackRequestHandler(current_app.extensions["slack"]).handle(request)
    except (ValueError, RecursionError) as error:
        raise Refused("bad_request") from error


def is_signed(secret: str) -> bool:
    """Tell whether Slack sent this within the last five minutes. Bolt checks too, but only after it has parsed."""
    from slack_sdk.signature import SignatureVerifier

    sent, signature = (request.headers.get(f"X-Slack-{name}", "") for name in ("Request-Timestamp", "Signature"))
    if not (sent.isascii() and sent.isdecimal() and len(sent) < 15 and signature.isascii()):
        return False
    return SignatureVerifier(secret).is_valid(request.get_data(as_text=True), sent, signature)


def listening(secret: str, app: Flask) -> "App":
    """Make the Bolt application; it needs no network, and answers only after what came is kept."""
    from slack_bolt import App
    from slack_bolt.authorization import AuthorizeResult

    logger = logging.getLogger("web.slack.bolt")
    logger.setLevel(logging.ERROR)  # its warnings quote whole messages
    bolt = App(
        name="mundap",
        signing_secret=secret,
        client=slack_send.make_client(None),
        authorize=lambda enterprise_id, team_id: AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id),
        process_before_response=True,
        logger=logger,
    )

    def keep(event: Event | None) -> None:
        if event is None or not app.extensions["slack_inbox"].put(event):
            return  # none of our business, or a repeat
        if "slack_work" in app.extensions:
            app.extensions["slack_work"].wake()

    def on_event(body: dict[str, Any]) -> None:
        keep(message_in(body))

    def on_command(body: dict[str, Any], ack: Any) -> None:
        keep(command_in(body))
        ack()

    def on_click(body: dict[str, Any], ack: Any) -> None:
        keep(click_in(body))
        ack()

    bolt.event(ANY)(on_event)
    bolt.command(ANY)(on_command)
    bolt.action(ANY)(on_click)
    return bolt


def message_in(body: Mapping[str, Any]) -> Event | None:
    """Give the message for the bot that an event tells of: a mention, or a direct message."""
    event = body["event"]
    ours = event["type"] == "app_mention" or (event["type"] == "message" and event.get("channel_type") == "im")
    if not (ours and is_written(event, body) and event.get("ts") and event.get("channel")):
        return None
    team, channel, ts = str(body.get("team_id") or event.get("team") or ""), event["channel"], event["ts"]
    thread = event.get("thread_ts") or ts
    payload = {"text": slack_blocks.plain(event.get("text") or ""), "thread": thread, "ts": ts}
    return Event(team, channel, ts, "message", session(team, channel, thread), payload)


def is_written(event: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Tell whether a person wrote this just now: no bot, this one least of all, no edit and no notice."""
    bots = {found.get("user_id") for found in body.get("authorizations") or () if found.get("is_bot")}
    person = event.get("user") not in {None, "USLACKBOT", *bots} and not event.get("bot_id")
    return person and event.get("subtype") in WRITTEN and not event.get("hidden")


def command_in(body: Mapping[str, Any]) -> Event | None:
    """Give the question of a slash command."""
    team, channel, url = (str(body.get(name) or "") for name in ("team_id", "channel_id", "response_url"))
    if not url:
        return None
    payload = {"text": slack_blocks.plain(body.get("text") or ""), "url": url}
    ts = f"command:{body.get('trigger_id') or url}"
    return Event(team, channel, ts, "command", session(team, channel, str(body.get("user_id"))), payload)


def click_in(body: Mapping[str, Any]) -> Event | None:
    """Give the click on a choice or a thumb."""
    action = body["actions"][0]
    kind = str(action.get("action_id")).partition("_")[0]
    if kind not in ("choose", "thumb"):
        return None
    place, message, user = body.get("container") or {}, body.get("message") or {}, body.get("user") or {}
    team = str((body.get("team") or {}).get("id") or user.get("team_id") or "")
    channel = str(place.get("channel_id") or (body.get("channel") or {}).get("id"))
    ts = str(place.get("message_ts") or message.get("ts"))
    thread, hidden = message.get("thread_ts") or place.get("thread_ts") or ts, bool(place.get("is_ephemeral"))
    payload = {"ts": ts, "thread": thread, "hidden": hidden, "url": body.get("response_url", "")}
    if kind == "choose":
        chosen = json.loads(action["value"])
        # Two clicks on one choice are one: its answer stands in the thread.
        name = session(team, channel, user["id"] if hidden else thread)
        return Event(team, channel, f"choose:{ts}:{chosen['row']}", "choice", name, payload | {"chosen": chosen})
    payload |= {"exchange": action["value"], "vote": action["action_id"].removeprefix("thumb_")}
    payload |= {"block": action.get("block_id", ""), "text": message.get("text", "")}
    key = f"thumb:{action['action_ts']}"
    return Event(team, channel, key, "thumb", key, payload | {"blocks": message.get("blocks", [])})


def session(team: str, channel: str, thread: str) -> str:
    """Name the conversation: a thread, all of a direct message, or what one person asks by command in a channel."""
    return f"slack:{team}:{channel}:{'direct' if channel.startswith('D') else thread}"
