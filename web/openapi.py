"""What `/openapi.json` says about the JSON interface."""

from typing import Any

from web.problems import PROBLEMS

Schema = dict[str, Any]
Response = dict[str, str | dict[str, Schema]]
Responses = dict[int | str, Response]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
MESSAGE: Schema = {"type": "string", "minLength": 1, "maxLength": 2000, "pattern": r"\S"}
SESSION: Schema = {"type": ["string", "null"], "minLength": 1, "maxLength": 200}


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
        error = form({"code": {"enum": codes}, "message": TEXT, "message_ko": TEXT}, field=TEXT)
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
                "schema": form({"message": MESSAGE}, session=SESSION),
                "example": {"message": "How do I get a refund?"},
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
ASK_RESPONSES: Responses = {200: response("The answer", ANSWER), **refusals(400, 413, 422, 500, 503)}
SEARCH_RESPONSES: Responses = {200: response("Candidates, best first", SEARCH), **refusals(422, 500, 503)}
HEALTH_RESPONSES: Responses = {200: response("The bot can answer", HEALTH), **refusals(503)}
