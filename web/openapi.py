"""What `/openapi.json` says about the JSON interface."""

from typing import Any

from web.asking import SEEN
from web.problems import PROBLEMS

Schema = dict[str, Any]
Response = dict[str, str | dict[str, Schema]]
Responses = dict[int | str, Response]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
MESSAGE: Schema = {"type": "string", "minLength": 1, "maxLength": 2000, "pattern": SEEN.pattern}
SESSION: Schema = {"type": ["string", "null"], "minLength": 1, "maxLength": 200}
CHANNEL: Schema = {"enum": ["api", "chat", "widget", None], "default": "api"}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
THUMB: Schema = {"enum": ["up", "down", ""], "description": "empty takes a vote back"}


def form(required: dict[str, Schema], **optional: Schema) -> Schema:
    """Describe an object by its required and optional fields; more fields may follow."""
    return {"type": "object", "required": list(required), "properties": required | optional}


def many(item: Schema) -> Schema:
    """Describe a list."""
    return {"type": "array", "items": item}


CANDIDATE = form({"id": TEXT, "entry": TEXT, "question": TEXT, "answer": TEXT, "score": NUMBER, "rank_score": NUMBER})
ANSWER = form(
    {
        "decision": {"enum": ["answer", "choose", "abstain", "generated", "smalltalk"]},
        "text": TEXT,
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "candidates": many(CANDIDATE),
        "sources": many(form({"id": TEXT, "entry": TEXT, "question": TEXT, "url": TEXT})),
        "trace": {"type": "object"},
    }
)
SEARCH = form({"query": TEXT, "generation": WHOLE, "candidates": many(CANDIDATE)})
HEALTH = form({"status": {"const": "ok"}, "generation": WHOLE, "entries": WHOLE, "encoder": TEXT})


def response(description: str, schema: Schema) -> Response:
    """Describe one response."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def refusals(*statuses: int) -> Responses:
    """Describe the refusals that have these statuses, with the codes each may carry."""
    described: Responses = {}
    for status in statuses:
        codes = [code for code, (its_status, _, _) in PROBLEMS.items() if its_status == status]
        error = form({"code": {"enum": codes}, "message": TEXT, "message_ko": TEXT, "request_id": TEXT}, field=TEXT)
        described[status] = response(", ".join(codes), form({"error": error}))
    return described


def parameter(name: str, schema: Schema, **more: Any) -> Schema:
    """Describe one query parameter."""
    return {"name": name, "in": "query", "schema": schema} | more


ASK_BODY: Schema = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": form({"message": MESSAGE}, session=SESSION, channel=CHANNEL),
                "example": {"message": "How do I get a refund?"},
            }
        },
    }
}
VOTE_BODY: Schema = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": form({"exchange": NAME}, vote=THUMB, chosen=NAME)
                | {"anyOf": [{"required": ["vote"]}, {"required": ["chosen"]}]},
                "example": {"exchange": "the trace.exchange of an answer", "vote": "up"},
            }
        },
    }
}
SEARCH_PARAMETERS: Schema = {
    "parameters": [
        parameter("q", MESSAGE, required=True),
        parameter("k", {"type": "integer", "minimum": 1, "maximum": 50, "default": 5}),
    ]
}
EVENTS: Schema = {"type": "string", "description": "events `partial` and, last, `answer`; their data is the answer"}
THE_ANSWER = response("The answer", ANSWER)
THE_ANSWER["content"]["text/event-stream"] = {"schema": EVENTS}  # type: ignore[index]
ASK_RESPONSES: Responses = {200: THE_ANSWER, **refusals(400, 401, 413, 422, 429, 500, 503)}
VOTE_RESPONSES: Responses = {
    200: response("Written down", form({"status": {"const": "ok"}})),
    **refusals(400, 401, 404, 413, 422, 429, 500),
}
SEARCH_RESPONSES: Responses = {200: response("Candidates, best first", SEARCH), **refusals(401, 422, 429, 500, 503)}
HEALTH_RESPONSES: Responses = {200: response("The bot can answer", HEALTH), **refusals(503)}
