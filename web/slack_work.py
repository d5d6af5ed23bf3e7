"""The work behind the Slack routes: take an event from the inbox, answer it, post the answer once."""

import atexit
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import Flask

from bot.answer import Answer, Source
from indexer.errors import UserError
from web import asking, slack_blocks
from web.problems import Refused
from web.slack_inbox import Event, Inbox
from web.slack_send import METADATA, SendError, posted, send
from web.words import text_language

if TYPE_CHECKING:
    from slack_sdk import WebClient

THREADS = 4  # most of the time each waits for Slack
LOOK = 2.0  # seconds between looks for what other processes left
BACKOFF, LONGEST = 2.0, 300.0  # seconds before the first repeat, and at most
HOURLY = 3600.0
# Seconds after which an event is given up; a response URL is good for half an hour.
LASTS = {"message": 24 * HOURLY, "choice": 24 * HOURLY, "thumb": HOURLY, "command": HOURLY / 2}
TRIES = 3  # at an answer that fails in an unknown way


class Work:
    """Threads that answer what is in the inbox. Several processes may work on one inbox."""

    def __init__(self, app: Flask, inbox: Inbox, client: "WebClient") -> None:
        self.app, self.inbox, self.client = app, inbox, client
        self._starting, self._ended = threading.Lock(), threading.Event()
        self._process = 0

    def start(self) -> None:
        """Start the threads, once a process: a fork leaves them with the parent. What was left comes first."""
        with self._starting:
            if self._process == os.getpid():
                return
            self.inbox.live()
            self._process, self._ready = os.getpid(), threading.Semaphore(0)
            self._threads = [
                threading.Thread(target=self.run, args=[number == 0], name=f"slack-{number}", daemon=True)
                for number in range(THREADS)
            ]
            for thread in self._threads:
                thread.start()
        atexit.register(self.close)

    def wake(self) -> None:
        """Say that something is there to be done."""
        self.start()
        self._ready.release()

    def close(self, seconds: float = 3.0) -> None:
        """Finish what is being worked on, and leave the rest to others."""
        if self._ended.is_set() or self._process != os.getpid():
            return
        self._ended.set()
        self._ready.release(THREADS)
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self.inbox.close()
        atexit.unregister(self.close)

    def run(self, first: bool) -> None:
        """Work until the end; the first thread also looks after what others left."""
        purged = looked = -HOURLY
        while not self._ended.is_set():
            try:
                now = time.monotonic()
                if first and now - looked >= LOOK:
                    self.inbox.take_over()
                    looked = now
                if first and now - purged >= HOURLY:
                    self.inbox.purge()
                    purged = now
                event = self.inbox.claim()
                if event is None:
                    self._ready.acquire(timeout=max(0.01, self.inbox.wait(LOOK)))
                else:
                    self.settle(event)
            except Exception:  # such as a full disk: the event keeps its lease, and the thread its place
                self.app.logger.exception("Slack: the inbox cannot be worked on")
                self._ended.wait(LOOK)

    def settle(self, event: Event) -> None:
        """Bring one event to its end, or put it back."""
        if time.time() - event.received > LASTS[event.kind]:
            self.app.logger.error("Slack: gave up %s %s: too old", event.kind, event.key)
            self.inbox.finish(event)
            return
        try:
            if event.reply and event.sent and self.is_posted(event, event.reply):
                self.inbox.finish(event)
                return
            reply = event.reply or self.reply(event)
        except Refused as refused:  # the gate is full
            self.app.logger.info("Slack: %s waits: %s", event.key, refused.problem)
            self.inbox.later(event, 1.0, event.sent)
        except SendError as error:
            self.put_back(event, error)
        except Exception as error:  # the bot cannot answer: an index that is missing now may be back soon
            self.app.logger.exception("Slack: %s was not answered", event.key)
            self.put_back(event, SendError(type(error).__name__, sent=event.sent))
        else:
            self.post(event, reply)

    def post(self, event: Event, reply: Mapping[str, Any]) -> None:
        """Send a reply; from here on it may have gone out, whatever happens."""
        if not self.inbox.sending(event, reply):
            return  # it took so long that somebody else has it now
        try:
            send(self.client, reply["call"], reply["body"])
        except SendError as error:
            self.put_back(event, error)
        else:
            self.inbox.finish(event)

    def put_back(self, event: Event, error: SendError) -> None:
        """Try again later, or never."""
        if error.final:
            self.app.logger.error("Slack: gave up %s %s: %s", event.kind, event.key, error)
            self.inbox.finish(event)
            return
        growing = min(LONGEST, BACKOFF * 2 ** min(event.attempts - 1, 10))
        seconds = growing if error.seconds is None else error.seconds
        self.app.logger.warning("Slack: %s again in %.0f s: %s", event.key, seconds, error)
        self.inbox.later(event, seconds, error.sent)
        if error.seconds is not None:
            self.inbox.pause(event.team, error.seconds)

    def is_posted(self, event: Event, reply: Mapping[str, Any]) -> bool:
        """Tell whether a reply that may have gone out did; only posts in a channel can be looked up."""
        if reply["call"] != "chat.postMessage":
            return False
        return posted(self.client, reply["body"], event.key, event.payload["ts"])

    def reply(self, event: Event) -> dict[str, Any]:
        """Make the call that answers an event."""
        with self.app.app_context():
            made: dict[str, Any] = {
                "message": self.to_message,
                "command": self.to_command,
                "choice": self.to_choice,
                "thumb": self.to_thumb,
            }[event.kind](event)
            return made

    def to_message(self, event: Event) -> dict[str, Any]:
        """Answer a message in its thread."""
        return in_thread(event, self.answered(event, event.payload["text"]))

    def to_command(self, event: Event) -> dict[str, Any]:
        """Answer a command so that only whoever typed it sees it."""
        return at_url(event, self.answered(event, event.payload["text"], heading="asked"))

    def to_choice(self, event: Event) -> dict[str, Any]:
        """Answer with the stored answer of the question that was chosen."""
        chosen = event.payload["chosen"]
        journal = asking.the_journal()
        if journal is not None and chosen["exchange"]:
            journal.choose(chosen["exchange"], chosen["row"])
        said = self.answered(event, chosen["question"], heading="chosen", row=chosen["row"])
        return at_url(event, said) if event.payload["hidden"] else in_thread(event, said)

    def to_thumb(self, event: Event) -> dict[str, Any]:
        """Write a thumb down, and say thanks in the place of the buttons."""
        vote, journal = event.payload["vote"], asking.the_journal()
        if journal is not None:
            journal.vote(event.payload["exchange"], vote)
        if event.payload["hidden"]:  # Slack does not tell what such a message says
            return at_url(event, slack_blocks.sentence(slack_blocks.thanks(vote, event.payload["block"])))
        blocks = slack_blocks.thanked(event.payload["blocks"], vote)
        body = {"channel": event.channel, "ts": event.payload["ts"], "text": event.payload["text"], "blocks": blocks}
        return {"call": "chat.update", "body": body}

    def answered(self, event: Event, text: str, heading: str = "", row: str = "") -> dict[str, Any]:
        """Ask the bot; give the text and the blocks."""
        lang = text_language(text)
        try:
            message = asking.read_message(text)
        except Refused as refused:
            return slack_blocks.refusal(refused.problem, lang)
        try:
            found = asking.answer(message, event.session, "slack")
        except Refused:
            raise
        except Exception as error:
            if isinstance(error, UserError) or event.attempts < TRIES:
                raise  # what an operator can mend is worth waiting for
            self.app.logger.exception("Slack: %s was answered with an apology", event.key)
            return slack_blocks.refusal("server_error", lang)
        return slack_blocks.said(of_row(found, row), lang, message, heading)


def of_row(answer: Answer, row: str) -> Answer:
    """Give the stored answer of a row, also where the bot would ask back, as for a question that is stored twice."""
    found = next((candidate for candidate in answer.candidates if candidate["id"] == row), None)
    given = answer.sources[0].entry if answer.decision == "answer" and answer.sources else None
    if found is None or given == found["entry"]:
        return answer
    source = Source(row, found["entry"], found["question"], str(found.get("url", "")))
    return replace(answer, decision="answer", text=found["answer"], sources=[source])


def in_thread(event: Event, said: Mapping[str, Any]) -> dict[str, Any]:
    """Make the call that posts in a thread, under the event's key."""
    return {
        "call": "chat.postMessage",
        "body": {
            "channel": event.channel,
            "thread_ts": event.payload["thread"],
            "unfurl_links": False,
            "unfurl_media": False,
            "link_names": False,
            "metadata": {"event_type": METADATA, "event_payload": {"key": event.key}},
            **said,
        },
    }


def at_url(event: Event, said: Mapping[str, Any]) -> dict[str, Any]:
    """Make the call that answers one person only."""
    body = {"response_type": "ephemeral", "replace_original": False, **said}
    return {"call": event.payload["url"], "body": body}
