"""A server of its own for the tests: python slack_child.py INBOX API [hold]; `hold` never answers."""

import sys
import threading
from pathlib import Path

import waitress
from fake_bot import FakeBot
from fake_slack import SECRET, TOKEN

from bot.settings import Settings
from web import create_app, slack_send, slack_work

inbox, api, *how = sys.argv[1:]
slack_send.API, slack_work.BACKOFF, slack_work.LOOK = api, 0.02, 0.1
bot = FakeBot(gate=threading.Event() if how == ["hold"] else None)
app = create_app(bot, Settings(slack_signing_secret=SECRET, slack_bot_token=TOKEN, slack_inbox=Path(inbox)))
server = waitress.create_server(app, host="127.0.0.1", port=0, threads=4)
sys.stdout.write(f"{server.effective_port}\n")
sys.stdout.flush()
server.run()
