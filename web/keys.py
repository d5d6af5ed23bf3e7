"""Keys for the API: where any are set, a program needs one; the chat page and the widget carry a token of the page.

What this protects: a program without a key is refused, and a key can be withdrawn. The token of the page only deters.
It is in every page, for whoever asks for the page, and works for a day; it keeps no secret and is no login. Where the
answers themselves are not for everybody, put a login (a proxy with single sign-on, say) before all of it.
"""

import hashlib
import hmac
from typing import cast

from flask import Flask, current_app, request
from itsdangerous import BadSignature, SignatureExpired, TimestampSigner

from bot.settings import Settings
from web.problems import Refused

KEYED = frozenset(("api.ask", "api.search", "api.vote"))
A_DAY = 24 * 3600  # seconds
PAGE = "page"


def init_app(app: Flask) -> None:
    """Ask for a key before the endpoints of the API."""
    app.before_request(check)


def page_token() -> str:
    """Give what the page's own modules send as X-Page-Token; empty where no keys are set."""
    known = keys()
    return signer(known).sign(PAGE).decode() if known else ""


def check() -> None:
    """Refuse (401) who has neither a key nor the token of a page."""
    known = keys()
    if not known or request.endpoint not in KEYED or request.method == "OPTIONS":
        return
    if not fits(given_key(), known):
        check_page(known)


def check_page(known: tuple[str, ...]) -> None:
    """Refuse (401) a token that is missing, forged or older than a day."""
    try:
        signer(known).unsign(request.headers.get("X-Page-Token", ""), max_age=A_DAY)
    except SignatureExpired as error:
        raise Refused("page_expired") from error
    except BadSignature as error:
        raise Refused("key_missing") from error


def given_key() -> str:
    """Give the key of `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else request.headers.get("X-API-Key", "")


def fits(key: str, known: tuple[str, ...]) -> bool:
    """Compare with every key in constant time; only their hashes are known here."""
    digest = hashlib.sha256(key.encode("latin-1", "replace")).hexdigest()  # WSGI's way of giving bytes
    found = [hmac.compare_digest(digest, one.lower()) for one in known]
    return bool(key) and any(found)


def signer(known: tuple[str, ...]) -> TimestampSigner:
    """Sign with what every worker process knows: the hashes of the keys. New keys end the old tokens."""
    return TimestampSigner(" ".join(sorted(known)), salt="mundap.page", digest_method=hashlib.sha256)


def keys() -> tuple[str, ...]:
    """Give the hashes of the keys."""
    return cast(Settings, current_app.extensions["settings"]).api_keys
