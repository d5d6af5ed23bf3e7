"""Two probes: `/api/health` (can it answer?) and `/api/ready` (should it be sent visitors?)."""

import threading
from typing import Any, cast

from apiflask import APIBlueprint
from flask import Flask, current_app

from indexer.errors import UserError
from web import openapi
from web.asking import the_bot
from web.problems import Refused

READY = openapi.form({"status": {"const": "ready"}, "generation": openapi.WHOLE})
READY_RESPONSES: openapi.Responses = {200: openapi.response("Visitors may come", READY), **openapi.refusals(503)}

bp = APIBlueprint("health", __name__, url_prefix="/api", tag="Mundap")


def init_app(app: Flask) -> None:
    """Keep a flag that the server sets when it begins to stop."""
    app.extensions["stopping"] = threading.Event()


@bp.get("/health")
@bp.doc(responses=openapi.HEALTH_RESPONSES)
def health() -> dict[str, Any]:
    """Tell whether the bot can answer, by letting it look something up."""
    info = look_up()
    return {"status": "ok"} | {key: info[key] for key in ("generation", "entries", "encoder")}


@bp.get("/ready")
@bp.doc(responses=READY_RESPONSES)
def ready() -> dict[str, Any]:
    """Tell whether to send visitors here: not before the encoder is loaded, and no more once the server stops."""
    if cast(threading.Event, current_app.extensions["stopping"]).is_set():
        raise Refused("stopping")
    return {"status": "ready", "generation": look_up()["generation"]}


def look_up() -> dict[str, Any]:
    """Search once, which loads what is not loaded yet, and say what was searched; or refuse (503)."""
    try:
        the_bot().search("health", 1)
        return dict(the_bot().info())
    except UserError:
        raise
    except Exception as error:  # whatever broke, a probe must hear 503
        current_app.logger.exception("the bot cannot answer")
        raise Refused("unavailable") from error
