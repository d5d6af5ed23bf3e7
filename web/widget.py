"""The widget: one script tag puts the bot on another site; which sites may, and what their browsers are told."""

import json
import re
from pathlib import Path
from typing import cast

from apiflask import APIBlueprint
from flask import Response, current_app, make_response, render_template, request

from bot.settings import Settings
from web import shades
from web.chat import shared
from web.words import language

SCRIPT = Path(__file__).parent / "static" / "widget.js"
PLACE = "const ORIGINS = [];"  # in the script, where the allowed sites go
ORIGIN = re.compile(r"https?://(\[[\da-f:.]+\]|[a-z\d._-]+)(:\d{1,5})?")
COLOR = re.compile(r"#?([\da-f]{3}|[\da-f]{6})", re.IGNORECASE)
THEMES = ("light", "dark")
TITLE_LIMIT = 60  # characters
FIVE_MINUTES = 300  # seconds; a site that is allowed now should not wait for long

bp = APIBlueprint("widget", __name__, enable_openapi=False)


@bp.get("/widget.js")
def script() -> Response:
    """Give the script that other sites name, with the list of those that may show the bot."""
    text = SCRIPT.read_text("utf-8").replace(PLACE, f"const ORIGINS = {json.dumps(allowed())};")
    response = Response(text, mimetype="text/javascript")
    response.headers["Cache-Control"] = f"public, max-age={FIVE_MINUTES}"
    return response


@bp.get("/widget")
def page() -> Response:
    """Show the conversation that stands in the frame."""
    lang = language()
    parts = shared(lang, "widget", "mundap.widget")
    host = request.args.get("host", "")
    parts["settings"]["host"] = host if may(host) else ""
    theme, color = request.args.get("theme", ""), COLOR.fullmatch(request.args.get("color", ""))
    title = request.args.get("title", "").strip()[:TITLE_LIMIT] or parts["words"]["bot"]
    html = render_template(
        "widget.html",
        **parts,
        title=title,
        theme=theme if theme in THEMES else "",
        color=color[1].lower() if color else "",
    )
    response = make_response(html)
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/widget.css")
def colors() -> Response:
    """Give the site's own colour to the frame, as far from the background as text must be."""
    found = COLOR.fullmatch(request.args.get("color", ""))
    response = Response(shades.stylesheet(found[1]) if found else "", mimetype="text/css")
    response.headers["Cache-Control"] = f"public, max-age={FIVE_MINUTES}"
    return response


# ---- Which sites may


def allowed() -> tuple[str, ...]:
    """Give the sites that may show the widget and call the API."""
    return cast(Settings, current_app.extensions["settings"]).origins


def may(origin: str) -> bool:
    """Tell whether a site may."""
    return origin in allowed() or ("*" in allowed() and bool(ORIGIN.fullmatch(origin)))


def open_up(response: Response) -> Response:
    """Open to the allowed sites what every other answer keeps closed: the frame, the script and the API."""
    if request.endpoint == "widget.page":
        response.headers.pop("X-Frame-Options", None)
        policy = response.headers.get("Content-Security-Policy", "")
        ancestors = " ".join(allowed()) or "'none'"
        response.headers["Content-Security-Policy"] = re.sub(
            "frame-ancestors [^;]*", f"frame-ancestors {ancestors}", policy
        )
    if request.endpoint == "widget.script":
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.path.startswith("/api/") and allowed():
        share(response)
    return response


def share(response: Response) -> None:
    """Let scripts of the allowed sites read an answer of the API; never with cookies."""
    response.vary.add("Origin")
    origin = request.headers.get("Origin", "")
    if not may(origin):
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = "Retry-After, X-Request-ID"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Authorization, X-API-Key"
        response.headers["Access-Control-Max-Age"] = "600"
