"""Run waitress until a signal comes; then answer what has come in, and end in good order."""

import signal
import threading
import time
from types import FrameType
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer

LOOK = 0.5  # seconds between two looks at whether to stop
PATIENCE = 8.0  # seconds for what is in flight; `docker stop` kills after ten
QUIET = 0.25  # seconds; a connection that was silent for so long is not about to send something

OPTIONS = {
    "ident": None,
    "asyncore_use_poll": True,  # select() knows no more than 1,024 connections
    # One thread reads all requests and hands over only whole ones: a slow client holds a connection, never a thread.
    "connection_limit": 1000,
    "channel_timeout": 75,  # seconds of silence; more than the 60 for which nginx keeps a connection
    "cleanup_interval": 10,
    # Whether to believe X-Forwarded-For is decided in one place, web.limits.
    "clear_untrusted_proxy_headers": False,
}


def run(server: Any, stopping: threading.Event) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish; a second signal ends at once. Sets `stopping` meanwhile."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            raise SystemExit(1)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    sockets = server.map if hasattr(server, "map") else server._map
    while not stopping.is_set():
        wasyncore.loop(timeout=LOOK, use_poll=True, map=sockets, count=1)
    drain(sockets, time.monotonic() + PATIENCE)
    server.task_dispatcher.shutdown(timeout=1)


def drain(sockets: dict[int, Any], until: float) -> None:
    """Take no new connection, and close those that are there as their answers are sent."""
    for one in list(sockets.values()):
        if isinstance(one, BaseWSGIServer):
            wasyncore.dispatcher.close(one)
    while time.monotonic() < until and (channels := [one for one in sockets.values() if isinstance(one, HTTPChannel)]):
        for channel in channels:
            say_goodbye(channel)
        wasyncore.loop(timeout=QUIET / 5, use_poll=True, map=sockets, count=1)


def say_goodbye(channel: Any) -> None:
    """Close a connection that is silent; let the answer on any other say that it is the last one there."""
    for request in list(channel.requests):
        request.headers["CONNECTION"] = "close"  # as if the client had asked for it: waitress then says so itself
    busy = channel.requests or channel.total_outbufs_len
    if not busy and time.time() - channel.last_activity > QUIET:
        channel.will_close = True
