"""How long a run took, over all the processes that it needed."""

import json
import time
from pathlib import Path
from typing import Any

from transformers.trainer_callback import ExportableState, TrainerCallback

from bot.learning.runs import STATE


class Clock(TrainerCallback, ExportableState):
    """Counts the seconds of a run: each checkpoint's state holds them, and from there a killed run counts on."""

    def __init__(self, started: float, checkpoint: Path | None) -> None:
        self.started = started - _spent(checkpoint)

    def seconds(self) -> float:
        """Give the seconds so far, less those whose steps were lost in a kill."""
        return round(time.monotonic() - self.started, 1)

    def state(self) -> dict[str, Any]:
        """Give what the Trainer writes into its state."""
        return {"args": {}, "attributes": {"seconds": self.seconds()}}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Make room in the state of a checkpoint that knew no clock."""
        state.stateful_callbacks.setdefault(type(self).__name__, {})


def _spent(checkpoint: Path | None) -> float:
    if checkpoint is None:
        return 0.0
    known = json.loads((checkpoint / STATE).read_text("utf-8")).get("stateful_callbacks", {})
    return float(known.get(Clock.__name__, {}).get("attributes", {}).get("seconds", 0.0))
