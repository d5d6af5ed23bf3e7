"""Sending to Slack: what became of a call, and whether a post is there already."""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slack_sdk import WebClient

API = "https://slack.com/api/"
TIMEOUT = 10  # seconds for connecting, and for each part of an answer
METADATA = "mundap_answer"
PAGES = 10  # of a thread that are looked through
# The same call fails in the same way again: because of the place, or because of the message.
FINAL = (
    {"channel_not_found", "is_archived", "not_in_channel", "user_not_found", "cannot_dm_bot", "restricted_action"}
    | {"restricted_action_read_only_channel", "restricted_action_thread_only_channel", "thread_not_found"}
    | {"cannot_reply_to_message", "message_not_found", "cant_update_message", "edit_window_closed", "no_text"}
    | {"msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format"}
)
UNSURE = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
BLIND = FINAL | {"missing_scope", "not_allowed_token_type", "no_permission"}  # a thread that cannot be read, ever


class SendError(Exception):
    """A call failed. `final`: it always will; `sent`: it may have arrived; `seconds`: when Slack wants it again."""

    def __init__(self, reason: str, code: str = "", sent: bool = False, seconds: float | None = None) -> None:
        super().__init__(f"{reason} {code}".strip())
        self.code, self.sent, self.seconds = code, sent, seconds
        self.final = code in FINAL


def make_client(token: str | None) -> "WebClient":
    """Make a client that never repeats a call by itself: a post whose connection breaks may have gone through."""
    from slack_sdk import WebClient

    return WebClient(token=token, base_url=API, timeout=TIMEOUT, retry_handlers=[])


def send(client: "WebClient", call: str, body: Mapping[str, Any]) -> None:
    """Call a method of the Web API, or answer at a response URL.

    Raises:
        SendError: it did not succeed.
    """
    with failures():
        if call.startswith(("https:", "http:")):
            respond(call, body)
        else:
            client.api_call(call, json=dict(body))


def respond(url: str, body: Mapping[str, Any]) -> None:
    """Answer at a response URL, which is good for 30 minutes."""
    from slack_sdk.webhook import WebhookClient

    found = WebhookClient(url, timeout=TIMEOUT, retry_handlers=[]).send_dict(dict(body))
    if found.status_code != 200:
        gone = found.status_code in (404, 410)  # used up, or older than half an hour
        raise judged(found.status_code, "message_not_found" if gone else "", found.headers)


def posted(client: "WebClient", body: Mapping[str, Any], key: str, oldest: str) -> bool:
    """Look for the post of a key in its thread.

    Raises:
        SendError: the thread cannot be read just now, so that nobody knows.
    """
    asked = {"channel": body["channel"], "ts": body["thread_ts"], "oldest": oldest, "limit": 100, "cursor": ""}
    for _ in range(PAGES):
        try:
            with failures():
                found = client.api_call("conversations.replies", params=asked | {"include_all_metadata": 1})
        except SendError as error:
            if error.code in BLIND:
                return False
            raise SendError(f"the thread cannot be read: {error}", sent=True, seconds=error.seconds) from error
        messages: list[dict[str, Any]] = found.get("messages", [])
        if any(carries(message, key) for message in messages):
            return True
        asked["cursor"] = (found.get("response_metadata") or {}).get("next_cursor", "")
        if not asked["cursor"]:
            break
    return False


def carries(message: Mapping[str, Any], key: str) -> bool:
    """Tell whether a message is the post of a key."""
    metadata = message.get("metadata") or {}
    return metadata.get("event_type") == METADATA and metadata.get("event_payload", {}).get("key") == key


@contextmanager
def failures() -> Iterator[None]:
    """Turn what the SDK raises into SendError."""
    from slack_sdk.errors import SlackApiError

    try:
        yield
    except SlackApiError as error:
        response = error.response
        code = response.get("error", "") if isinstance(response.data, dict) else ""
        raise judged(response.status_code, str(code), response.headers) from error
    except (OSError, http.client.HTTPException, ValueError) as error:  # broken or slow: it may have arrived
        raise SendError(type(error).__name__, sent=True) from error


def judged(status: int, code: str, headers: Mapping[str, Any]) -> SendError:
    """Judge an answer that is not a yes."""
    if status == 429 or code == "ratelimited":
        return SendError("too many calls", seconds=retry_after(headers))
    return SendError(f"status {status}", code, sent=status >= 500 or code in UNSURE)


def retry_after(headers: Mapping[str, Any]) -> float:
    """Read how long to wait; Slack gives whole seconds."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    text = str(value[0] if isinstance(value, list) and value else value)
    return float(text) if text.isdecimal() else 1.0
