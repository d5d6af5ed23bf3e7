"""Refusals in one shape, `{"error": {"code", "message", "message_ko", "request_id", "field"?}}`, in words of people."""

from apiflask import APIFlask
from flask import Response, current_app, g, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from indexer.errors import UserError
from web.words import WORDS, language

PROBLEMS: dict[str, tuple[int, str, str]] = {
    "bad_request": (
        400,
        "The request could not be read.",
        "요청을 읽을 수 없습니다.",
    ),
    "not_json": (
        400,
        'Send JSON such as {"message": "How do I get a refund?"} in UTF-8, '
        "with the header Content-Type: application/json.",
        '{"message": "환불은 어떻게 받나요?"} 같은 UTF-8 JSON을 '
        "Content-Type: application/json 헤더와 함께 보내 주세요.",
    ),
    "not_an_object": (
        400,
        'The JSON must be an object, such as {"message": "How do I get a refund?"}.',
        'JSON은 {"message": "환불은 어떻게 받나요?"} 같은 객체여야 합니다.',
    ),
    "not_a_form": (
        400,
        'Send a form or a JSON object in UTF-8, with the question in its field "text".',
        '"text" 항목에 질문을 담은 양식이나 JSON 객체를 UTF-8로 보내 주세요.',
    ),
    "token_wrong": (
        401,
        "The token is missing or wrong. Send the one that is set as WEBHOOK_TOKEN.",
        "토큰이 없거나 맞지 않습니다. WEBHOOK_TOKEN에 설정한 토큰을 보내 주세요.",
    ),
    "unknown_exchange": (
        404,
        "The journal holds no such answer, so nothing was written down.",
        "기록에 그런 답변이 없어서 아무것도 저장하지 않았습니다.",
    ),
    "slack_signature": (
        401,
        "This was not signed by Slack within the last five minutes. Compare SLACK_SIGNING_SECRET and the clock.",
        "Slack이 최근 5분 안에 서명한 요청이 아닙니다. SLACK_SIGNING_SECRET과 서버 시각을 확인해 주세요.",
    ),
    "not_found": (404, "There is nothing at this address.", "이 주소에는 아무것도 없습니다."),
    "method_not_allowed": (
        405,
        "This address does not take {method} requests.",
        "이 주소는 {method} 요청을 받지 않습니다.",
    ),
    "body_too_large": (
        413,
        "The request is larger than 64 KB. Send a shorter message.",
        "요청이 64KB보다 큽니다. 더 짧은 메시지를 보내 주세요.",
    ),
    "message_missing": (
        422,
        'The field "{field}" is missing or is not a text. Write your message there.',
        '"{field}" 항목이 없거나 글이 아닙니다. 그 자리에 메시지를 적어 주세요.',
    ),
    "message_empty": (
        422,
        "The message is empty. Write a question.",
        "메시지가 비어 있습니다. 질문을 적어 주세요.",
    ),
    "message_too_long": (
        422,
        "The message is longer than 2,000 characters. Shorten it, or ask one thing at a time.",
        "메시지가 2,000자를 넘습니다. 줄이거나 한 번에 한 가지만 물어봐 주세요.",
    ),
    "session_invalid": (
        422,
        'The field "session" must be a text of 1 to 200 characters; leave it out for a single question.',
        '"session" 항목은 1자에서 200자 사이의 글이어야 합니다. 질문이 하나뿐이면 빼도 됩니다.',
    ),
    "channel_invalid": (
        422,
        'The field "channel" must be "api", "chat" or "widget"; leave it out for a program.',
        '"channel" 항목은 "api", "chat", "widget" 중 하나여야 합니다. 프로그램이라면 빼도 됩니다.',
    ),
    "vote_invalid": (
        422,
        'Send "vote" as "up", "down" or "" (to take it back), or "chosen" as the id of a stored question.',
        '"vote"에는 "up", "down", ""(취소) 중 하나를, 또는 "chosen"에 저장된 질문의 id를 보내 주세요.',
    ),
    "id_invalid": (
        422,
        'The field "{field}" must be an id of 1 to 200 characters.',
        '"{field}" 항목은 1자에서 200자 사이의 id여야 합니다.',
    ),
    "k_out_of_range": (
        422,
        'The number of results "k" must be a whole number from 1 to 50.',
        '결과 개수 "k"는 1에서 50 사이의 정수여야 합니다.',
    ),
    "key_missing": (
        401,
        "A key is needed here, and none or a wrong one came. Send it as Authorization: Bearer KEY.",
        "여기에는 키가 필요한데, 키가 없거나 맞지 않습니다. Authorization: Bearer KEY 헤더로 보내 주세요.",
    ),
    "page_expired": (
        401,
        "This page has been open for a long time. Reload it and ask again.",
        "페이지를 오래 열어 두셨어요. 새로고침한 뒤 다시 물어봐 주세요.",
    ),
    "too_many": (
        429,
        "That was a lot of questions in a short time. Please try again in {seconds} s.",
        "짧은 시간에 질문이 너무 많았어요. {seconds}초 뒤에 다시 시도해 주세요.",
    ),
    "server_error": (
        500,
        "Something went wrong on our side. Please try again.",
        "서버에 문제가 생겼습니다. 다시 시도해 주세요.",
    ),
    "busy": (
        503,
        "Too many people are asking right now. Please try again in a moment.",
        "지금 질문이 많이 몰렸습니다. 잠시 후 다시 시도해 주세요.",
    ),
    "unavailable": (
        503,
        "The bot cannot answer right now. Please try again later.",
        "지금은 답변할 수 없습니다. 나중에 다시 시도해 주세요.",
    ),
    "stopping": (
        503,
        "The server is stopping. Please try again in a moment.",
        "서버가 멈추는 중입니다. 잠시 후 다시 시도해 주세요.",
    ),
}
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
COME_AGAIN = frozenset(("busy", "stopping", "too_many"))
RETRY_AFTER = 1  # second; a full gate is empty again by then
BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


class Refused(HTTPException):
    """Ends the request with one of the problems above."""

    def __init__(self, problem: str, field: str = "", retry_after: int = RETRY_AFTER) -> None:
        super().__init__()
        self.problem, self.field, self.retry_after = problem, field, retry_after
        self.code = PROBLEMS[problem][0]
        self.headers = {"Retry-After": str(retry_after)} if problem in COME_AGAIN else {}
        if self.code == 401:
            self.headers["WWW-Authenticate"] = "Bearer"

    def sentences(self) -> tuple[str, str]:
        """Give the English and the Korean sentence."""
        _, english, korean = PROBLEMS[self.problem]
        # A method that nobody knows could be anything; it is not sent back.
        method = request.method if request.method in METHODS else "such"
        details = {"{field}": self.field, "{seconds}": str(self.retry_after), "{method}": method}
        for name, value in details.items():
            english, korean = english.replace(name, value), korean.replace(name, value)
        return english, korean


def init_app(app: APIFlask) -> None:
    """Answer every refusal and failure of the application in one shape."""
    app.register_error_handler(HTTPException, answer_refusal)
    app.register_error_handler(UserError, answer_unavailable)


def answer_refusal(error: HTTPException) -> Response:
    """Turn Flask's own errors (404, 405, 413, 500) and ours into the one shape."""
    refused = error if isinstance(error, Refused) else Refused(name_of(error.code or 500))
    response = as_json(refused) if wants_json() else as_page(refused)
    response.status_code = error.code or 500
    if response.status_code == 405:
        response.headers["Allow"] = dict(error.get_headers()).get("Allow", "")
    response.headers.update(refused.headers)
    return response


def answer_unavailable(error: UserError) -> Response:
    """Say that the bot cannot answer; why, with the folders that it names, is for the log and not for visitors."""
    current_app.logger.error("cannot answer: %s", error)
    return answer_refusal(Refused("unavailable"))


def name_of(status: int) -> str:
    """Give the problem that a bare HTTP status stands for."""
    return BY_STATUS.get(status, "bad_request" if status < 500 else "server_error")


def wants_json() -> bool:
    """Tell programs from people: only the page's own address answers with HTML to a browser."""
    return request.path.startswith(("/api/", "/slack/", "/webhook")) or not request.accept_mimetypes.accept_html


def as_json(refused: Refused) -> Response:
    """Give the JSON form of a refusal."""
    english, korean = refused.sentences()
    error = {"code": refused.problem, "message": english, "message_ko": korean, "request_id": g.get("request_id", "")}
    return jsonify(error=error | ({"field": refused.field} if refused.field else {}))


def as_page(refused: Refused) -> Response:
    """Give a small page with the sentence in the reader's language."""
    lang = language()
    sentence = refused.sentences()[lang == "ko"]
    return make_response(render_template("problem.html", lang=lang, words=WORDS[lang], sentence=sentence))
