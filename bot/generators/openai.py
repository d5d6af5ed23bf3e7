"""openai:BASE_URL?model=NAME: any server with an OpenAI-compatible POST BASE_URL/chat/completions, as a stream.

BASE_URL includes /v1. The key comes from OPENAI_API_KEY and goes to that address alone; a redirect is not followed.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bot.generators import CutOffError, GeneratorError, RestingError, between, check_count
from bot.generators._choices import pieces
from bot.prompting import chat
from indexer.errors import UserError
from indexer.retrieve import Candidate

if TYPE_CHECKING:
    import httpx

    from indexer.index import Index

SECRET = True
TRIES, BACKOFF = 3, 0.25  # of a call that brought nothing yet; seconds before the second, then twice as many
WORTH_A_REPEAT = frozenset((408, 409, 425, 429, 500, 502, 503, 504))
FAILURES, REST = 3, 30.0  # calls in a row that fail, after which nobody is asked for so many seconds
LONGEST_LINE = 64_000  # characters of a line of the stream
EXAMPLE = "openai:http://127.0.0.1:11434/v1?model=NAME"


def open(
    argument: str,
    index: "Index",
    secret: str = "",
    *,
    model: str = "",
    temperature: float = 0.0,
    top_p: float = 1.0,
    num_return_sequences: int = 1,
    frequency_penalty: float = 0.0,
    max_tokens: int = 300,
    seed: int = 1,
    connect: float = 3.0,
    timeout: float = 20.0,
) -> "Client":
    """Open a client; nothing is called yet. Seconds: `timeout` for a draft, `connect` for a line to the server."""
    if not _is_address(argument):
        raise UserError(f"openai:{argument}: no address. Type: {EXAMPLE}")
    if not model:
        raise UserError(f"openai: which model? Type: openai:{argument}?model=NAME")
    between("temperature", temperature, 0, 2)
    between("top_p", top_p, 0.01, 1)
    between("frequency_penalty", frequency_penalty, -2, 2)
    check_count(num_return_sequences, temperature)
    between("max_tokens", max_tokens, 1, 4000)
    between("connect", connect, 0.05, 60)
    between("timeout", timeout, 0.05, 120)
    settings = {
        "model": model, "temperature": temperature, "top_p": top_p, "frequency_penalty": frequency_penalty,
        "max_tokens": max_tokens, "seed": seed, "stream": True,
    }  # fmt: skip
    more = {"n": num_return_sequences} if num_return_sequences > 1 else {}
    return Client(argument.rstrip("/"), secret, {**settings, **more}, connect, timeout)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, or a port that cannot be
        return False


class Breaker:
    """Asks nobody for a while after some failures in a row, then lets one through to see (Nygard, Release It!)."""

    def __init__(self, most: int = FAILURES, rest: float = REST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._rest, self._clock = most, rest, clock
        self._failures, self._until = 0, 0.0
        self._changing = threading.Lock()

    def enter(self) -> None:
        """Go through, or be told at once that it is no use."""
        with self._changing:
            if self._failures < self._most:
                return
            if self._clock() < self._until:
                raise RestingError("not asked: it failed several times in a row")
            self._until = self._clock() + self._rest  # this call tries; the others wait for what comes of it

    def tell(self, well: bool | None) -> None:
        """Say how a call ended; None: nobody waited for its end, which is no failure and makes up for none."""
        with self._changing:
            if well is None:
                self._failures = min(self._failures, self._most - 1)  # others may go through, until the next failure
            else:
                self._failures = 0 if well else self._failures + 1
            self._until = self._clock() + self._rest


class Client:
    """Asks a server for a draft."""

    def __init__(self, base: str, key: str, settings: dict[str, Any], connect: float, timeout: float) -> None:
        import httpx

        self.url, self.settings = f"{base}/chat/completions", settings
        self.timeout, self.connect = timeout, connect
        self.breaker = Breaker()
        local = urlsplit(base).hostname in ("localhost", "127.0.0.1", "::1")
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout, connect=connect),
            trust_env=not local,  # no proxy between this machine and itself
        )

    def __call__(self, message: str, candidates: Sequence[Candidate]) -> Iterator[str]:
        """Give the draft as it comes."""
        self.breaker.enter()
        until = time.monotonic() + self.timeout
        well: bool | None = False
        try:
            yield from self._tries({**self.settings, "messages": chat(message, candidates)}, until)
            well = True
        except CutOffError:
            well = True  # as long as it was asked to be
            raise
        except GeneratorExit:
            well = None  # whoever asked has enough, or is tired of waiting
            raise
        finally:
            self.breaker.tell(well)

    def _tries(self, body: dict[str, Any], until: float) -> Iterator[str]:
        for attempt in range(1, TRIES + 1):
            came = False
            try:
                for piece in self._stream(body, until):
                    came = True
                    yield piece
                return
            except _AgainError as error:
                wait = max(error.seconds, BACKOFF * 2 ** (attempt - 1))
                if came or attempt == TRIES or time.monotonic() + wait >= until:
                    raise GeneratorError(str(error)) from error
                time.sleep(wait)

    def _stream(self, body: dict[str, Any], until: float) -> Iterator[str]:
        """Call once; what may go better the next time is `_AgainError`."""
        import httpx

        left = until - time.monotonic()
        limits = httpx.Timeout(max(0.01, min(left, self.timeout / 2)), connect=min(self.connect, max(0.01, left)))
        try:
            with self._http.stream("POST", self.url, json=body, timeout=limits) as response:
                _refuse(response)
                yield from pieces(_lines(response, until), "n" in body)
        except httpx.TimeoutException as error:
            raise GeneratorError(f"no word in time ({type(error).__name__})") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _AgainError(f"the connection failed ({type(error).__name__})") from error


class _AgainError(Exception):
    """A call failed in a way that may pass; `seconds` is how long the server asks to be left alone."""

    def __init__(self, text: str, seconds: float = 0.0) -> None:
        super().__init__(text)
        self.seconds = seconds


def _refuse(response: "httpx.Response") -> None:
    """Raise for every status but 200."""
    status = response.status_code
    if status in WORTH_A_REPEAT:
        asked = response.headers.get("Retry-After", "")
        raise _AgainError(f"status {status}", float(asked) if asked.isdecimal() and len(asked) < 6 else 0.0)
    if status != 200:
        raise GeneratorError(f"status {status}")


def _lines(response: "httpx.Response", until: float) -> Iterator[str]:
    """Cut the stream into lines; an endless one, or one that drips, ends with the time."""
    rest = ""
    for text in response.iter_text():
        if time.monotonic() > until:
            raise GeneratorError("no end in time")
        *whole, rest = (rest + text).split("\n")
        if len(rest) > LONGEST_LINE:
            raise GeneratorError("a line without an end")
        yield from whole
    yield rest
